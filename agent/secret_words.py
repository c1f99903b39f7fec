"""Where secrets stand in command lines and text: names, options of well-known programs, forms. Pure tables.

Every expression is bounded, or its repetition cannot overlap what follows, so hostile text costs linear time.
"""

from __future__ import annotations

import re

_WORD = (
    r"(?:pass(?:word|wd|phrase|wrd|code)?|(?<=[_-])pwd|secret|token|bearer|psk|credential|api[-_.]?key|"
    r"(?:access|auth|account|encryption|master|shared|secret)[-_.]?key|private[-_.]?token)s?"
)
NAMED = re.compile(rf"(?i)^[-/\w.\[\]]{{0,128}}{_WORD}(?:[-_.]?(?:value|string|data|b64))?$")
"""A name, of an option or a variable, whose value is secret."""

ASSIGNED = re.compile(r"(?s)^(?P<name>[-/\w.\[\]]{1,128})(?P<sep>:?=)(?P<value>.+)$")
"""One word that is a name and its value."""

ANYWHERE = (
    # scheme://user:VALUE@host
    re.compile(r"(?i)\b[a-z][a-z0-9+.\-]{0,30}://[^\s/:@'\"]{0,256}:(?P<value>[^\s/'\"]{1,4096})@"),
    # ?name=VALUE of a URL
    re.compile(
        r"(?i)[?&;](?:[\w.\-]{0,64}(?:token|secret|password|passwd|pwd|api[-_]?key|access[-_]?key|signature|"
        r"credential)|sig|key|auth|code)=(?P<value>[^&;\s'\"#]+)"
    ),
    # Header: [scheme] VALUE
    re.compile(
        r"(?i)\b(?:(?:proxy-)?authorization|api-key|private-token|(?:set-)?cookie|"
        r"x-[\w\-]{0,64}(?:token|secret|key))\s{0,8}:\s{0,8}"
        r"(?:(?:basic|bearer|digest|token|negotiate)\s{1,8})?(?P<value>[^'\"\r\n]+)"
    ),
    # SQL: identified by 'VALUE'
    re.compile(r"(?i)\bidentified\s{1,8}by\s{1,8}(?:password\s{1,8})?(?P<value>'[^']+'|\"[^\"]+\"|[^\s;]+)"),
    # name = VALUE, name: VALUE, name "VALUE" after an equals sign
    re.compile(rf"(?i){_WORD}[\"']?\s?(?:=>?|:)\s?[\"']?(?P<value>[^\s,;'\"&)]+)"),
    # forms that tell by themselves
    re.compile(
        r"(?P<value>\bgh[pousr]_[A-Za-z0-9]{30,255}|\bgithub_pat_\w{40,255}|\bxox[abposr]-[\w-]{10,255}"
        r"|\beyJ[\w-]{8,2048}\.[\w-]{8,2048}\.[\w-]{0,2048}|\bglpat-[\w-]{20,255}|\bsk-[\w-]{20,255}"
        r"|\bAIza[\w-]{35})"
    ),
    re.compile(
        r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?P<value>[^-]{1,16384})(?:-----END [A-Z ]{0,40}KEY-----)?"
    ),
)
"""Secrets recognised wherever they stand; the group `value` is what is replaced."""

HINT = re.compile(
    r"pass|pwd|secret|token|key|cred|auth|cookie|bearer|://|psk|dentified|gh[pousr]_|xox|eyj|sk-|aiza|glpat"
)
"""What a text without it, in its case-folded form, cannot match any of the above.

Without (?i) it takes a quarter of the time. Folded, I with a dot is two characters, hence no `identified`.
"""

NEXT: dict[str, tuple[str, ...]] = {
    "curl": ("-u", "--user", "-U", "--proxy-user", "-b", "--cookie"),
    "http": ("-a", "--auth"),
    "https": ("-a", "--auth"),
    "sshpass": ("-p",),
    "redis-cli": ("-a",),
    "smbclient": ("-U", "--user"),
    "rpcclient": ("-U", "--user"),
    "ldap": ("-w",),
    "mosquitto": ("-P",),
    "zip": ("-P",),
    "unzip": ("-P",),
    "mongo": ("-p",),
    "sqlcmd": ("-P",),
    "bcp": ("-P",),
    "ipmitool": ("-P",),
    "snmp": ("-A", "-X", "-c"),
    "useradd": ("-p",),
    "usermod": ("-p",),
    "openssl": ("-k", "-K"),
    "lftp": ("-u",),
    "ncftp": ("-p",),
}
"""Options whose next word is secret although their names do not say so; by program."""

ATTACHED: dict[str, tuple[str, ...]] = {
    "mysql": ("-p",),
    "mariadb": ("-p",),
    "7z": ("-p",),
    "rar": ("-p",),
    "curl": ("-u", "-U", "-b"),
    "sshpass": ("-p",),
    "redis-cli": ("-a",),
    "zip": ("-P",),
    "unzip": ("-P",),
    "ldap": ("-w",),
    "mongo": ("-p",),
    "sqlcmd": ("-P",),
    "smbclient": ("-U",),
    "xfreerdp": ("/p:",),
}
"""Options with the secret in the same word; by program."""

LOGIN = frozenset({"docker", "podman", "nerdctl", "buildah", "skopeo", "helm", "oras"})
"""Programs whose `-p` is a password after the word `login` only."""

_FAMILIES = ("mysql", "mariadb", "ldap", "mosquitto", "mongo", "snmp", "ncftp", "7z")
_PROGRAMS = NEXT.keys() | ATTACHED.keys() | LOGIN | {"htpasswd"}
PROGRAMS = re.compile(rf"[\s/\"'](?:{'|'.join(map(re.escape, sorted(_PROGRAMS)))})")
"""A word that begins with the name of one of the programs, in a text with a space before it."""


def program_of(word: str) -> str | None:
    """Return the program, or family of programs, that word names; None when it is none of the above."""
    name = word.strip("'\"").rpartition("/")[2]
    if name in _PROGRAMS:
        return name
    return next((family for family in _FAMILIES if name.startswith(family)), None)

"""Messages of sshd and sshd-session (OpenSSH 9.8 and later) as login events.

A client chooses the user name, and a certificate's key id, as it likes: spaces, `from`, and whole sentences
that look like another message. What sshd itself adds stands at the end of the line, so a refused login is
parsed from the right; where two readings remain, the source is None rather than the attacker's choice.
The message formats are those of auth.c, packet.c and session.c of OpenSSH 7.4 to 9.9.
"""

from __future__ import annotations

import ipaddress
import re

import msgspec

from evidence.kind import Body, Endpoint
from evidence.kinds.login import Accepted, Disconnected, Failed

_PORTS = 0xFFFF

MESSAGE_LIMIT = 1023
"""sshd cuts its messages here (MSGBUFSIZ), so that a long user name can push the true source off the end."""

_FROM = r"from (?P<ip>\S{1,64}) port (?P<port>\d{1,5}) ssh2"
_KEY = r"(?:: (?P<type>[\w@.-]{1,64}) (?P<key>(?:SHA256|MD5):\S{1,128})(?P<certificate> ID .*)?)?"
_ACCEPTED = re.compile(rf"Accepted (?P<method>\S{{1,64}}) for (?P<user>.{{1,256}}?) {_FROM}{_KEY}.*")
_FAILED = re.compile(
    rf"Failed (?P<method>\S{{1,64}}) for (?P<invalid>invalid user )?(?P<user>.*) {_FROM}{_KEY}"
)
_REPEATED = re.compile(r"message repeated (\d{1,9}) times: \[ ?(.*)\]")
_EXCEEDED = re.compile(
    rf"error: maximum authentication attempts exceeded for (?P<invalid>invalid user )?(?P<user>.*) {_FROM}"
    r"(?P<preauth> \[preauth\])?"
)
_ENDED = re.compile(
    r"(?:Disconnected from|Connection (?:closed|reset) by|Disconnecting|Timeout, client not responding from) "
    r"(?:(?P<state>invalid|authenticating) )?user (?P<user>.*) (?P<ip>\S{1,64}) port (?P<port>\d{1,5})"
    r"(?:: [^:]{1,200})?(?P<preauth> \[preauth\])?"
)
_REFUSED = re.compile(r"User (?P<user>.*) from \S+ not allowed because .*")


class Refused(msgspec.Struct, frozen=True, gc=False):
    """sshd will refuse this existing user whatever is tried, and call the user invalid from here on."""

    user: str


class Ended(msgspec.Struct, frozen=True, gc=False):
    """A connection ended before anybody logged in; known is False for a user that does not exist."""

    user: str
    known: bool
    source: Endpoint | None


def parse_sshd(pid: int | None, message: str) -> Body | Refused | Ended | None:
    """Return what message of sshd's process pid says, or None for one that is of no interest."""
    whole = len(message.encode("utf-8", "replace")) < MESSAGE_LIMIT
    count = 1
    if match := _REPEATED.fullmatch(message):
        count, message = max(1, int(match[1])), match[2]
    if message.startswith("Accepted "):
        return _accepted(pid, message)
    if message.startswith("Failed "):
        return _failed(pid, message, count, whole)
    if match := _EXCEEDED.fullmatch(message) or _ENDED.fullmatch(message):
        return _ended(pid, match, whole)
    if match := _REFUSED.fullmatch(message):
        return Refused(match["user"])
    return None


def _accepted(pid: int | None, message: str) -> Accepted | None:
    """An accepted user exists, so the name is honest and the line is read from the left."""
    match = _ACCEPTED.fullmatch(message)
    if match is None:
        return None
    return Accepted(
        program="sshd",
        user=match["user"],
        pid=pid,
        method=match["method"],
        fingerprint=match["key"],
        source=endpoint(match["ip"], match["port"]),
    )


def _failed(pid: int | None, message: str, count: int, whole: bool) -> Failed | None:
    match = _FAILED.fullmatch(message)
    if match is None:
        return None
    certain = whole and not (match["key"] and " ssh2: " in match["user"] + (match["certificate"] or ""))
    return Failed(
        program="sshd",
        user=match["user"],
        pid=pid,
        method=match["method"],
        fingerprint=match["key"],
        source=endpoint(match["ip"], match["port"]) if certain else None,
        known=match["invalid"] is None,
        count=count,
    )


def _ended(pid: int | None, match: re.Match[str], whole: bool) -> Body | Ended:
    fields = match.groupdict()
    source = endpoint(match["ip"], match["port"]) if whole else None
    before_login = "invalid" in fields or bool(fields["preauth"]) or bool(fields["state"])
    if before_login:
        known = not (fields.get("invalid") or fields.get("state") == "invalid")
        return Ended(match["user"], known, source)
    return Disconnected(program="sshd", user=match["user"], pid=pid, source=source)


def endpoint(ip: str, port: str | None = None) -> Endpoint | None:
    """Return the address, or None when ip is no address (sshd writes UNKNOWN where it has none)."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return None
    number = int(port) if port else None
    return Endpoint(ip=str(address), port=number if number is not None and number <= _PORTS else None)

"""Messages of an auth log as login events: sshd, sudo, su and PAM's sessions and failures."""

from __future__ import annotations

import re

from msgspec.structs import replace

from evidence.kind import Body
from evidence.kinds.login import Failed, SessionClose, SessionOpen, Su, Sudo

from .sshd import Ended, Refused, endpoint, parse_sshd
from .syslog import Line

_UNSET = 0xFFFFFFFF
_SSHD = ("sshd", "sshd-session", "sshd-auth")
_SPEAKS_FOR_ITSELF = ("sshd", "sudo", "sudo-i", "su", "su-l")
"""Services that report a refused login in a line of their own."""

_OPENED = re.compile(
    r"session opened for user (?P<user>.{1,256}?)(?:\(uid=(?P<uid>\d{1,10})\))?"
    r"(?: by (?P<by>.{0,256}?)(?:\(uid=(?P<by_uid>\d{1,10})\))?)?"
)
_CLOSED = re.compile(r"session closed for user (?P<user>.{1,256})")
_PAM = re.compile(r"pam_unix\((?P<service>[^:()\s]{1,64}):(?P<type>session|auth)\): (?P<text>.*)")
_PAM_FAILED = re.compile(
    r"(?:(?P<more>\d{1,6}) more )?authentication failures?; logname=.* uid=\d+ euid=\d+ tty=.* ruser=.* "
    r"rhost=(?P<rhost>\S*)(?:\s+user=(?P<user>.*))?"
)
_SU = re.compile(r"(?P<failed>FAILED SU )?\(to (?P<target>.*)\) (?P<user>\S{1,256}) on (?P<tty>\S{1,64})")
_SU_SHADOW = re.compile(r"(?P<result>Successful|FAILED) su for (?P<target>.*) by (?P<user>\S{1,256})")
_SUDO_KEYS = ("HOST", "TTY", "CHROOT", "PWD", "USER", "GROUP", "TSID", "ENV")


def parse_auth(line: Line) -> Body | Refused | Ended | None:
    """Return what line says about a login, or None when it says nothing about one."""
    found = _parse(line.program.rsplit("/", 1)[-1], line.pid, line.message)
    return _mark_escaped(found) if line.escaped and isinstance(found, Body) else found


def _parse(program: str, pid: int | None, message: str) -> Body | Refused | Ended | None:
    if message.startswith("pam_unix("):
        return _pam(pid, message)
    if program in _SSHD:
        return parse_sshd(pid, message)
    if program == "sudo":
        return _sudo(pid, message)
    return _su(pid, message) if program == "su" else None


def _pam(pid: int | None, message: str) -> Body | None:
    match = _PAM.fullmatch(message)
    if match is None:
        return None
    service, text = match["service"], match["text"]
    if match["type"] == "auth":
        return None if service in _SPEAKS_FOR_ITSELF else _pam_failed(service, pid, text)
    if opened := _OPENED.fullmatch(text):
        return SessionOpen(
            program=service,
            user=opened["user"],
            pid=pid,
            uid=_uid(opened["uid"]),
            by=opened["by"] or None,
            by_uid=_uid(opened["by_uid"]),
        )
    if closed := _CLOSED.fullmatch(text):
        return SessionClose(program=service, user=closed["user"], pid=pid)
    return None


def _pam_failed(service: str, pid: int | None, text: str) -> Failed | None:
    match = _PAM_FAILED.fullmatch(text)
    if match is None or not match["user"]:
        return None
    source = endpoint(match["rhost"]) if match["rhost"] else None
    return Failed(program=service, user=match["user"], pid=pid, source=source, count=int(match["more"] or 1))


def _uid(text: str | None) -> int | None:
    """Return the uid, None for absent and for the kernel's 'unset'."""
    return None if text is None or int(text) >= _UNSET else int(text)


def _su(pid: int | None, message: str) -> Su | None:
    """util-linux's form, and that of the shadow suite."""
    if match := _SU.fullmatch(message):
        terminal = None if match["tty"] == "none" else match["tty"]
        allowed = match["failed"] is None
        return Su(
            program="su",
            user=match["user"],
            pid=pid,
            target=match["target"],
            terminal=terminal,
            allowed=allowed,
        )
    if match := _SU_SHADOW.fullmatch(message):
        allowed = match["result"] == "Successful"
        return Su(program="su", user=match["user"], pid=pid, target=match["target"], allowed=allowed)
    return None


def _sudo(pid: int | None, message: str) -> Sudo | None:
    """`user : [reason ; ]TTY=… ; PWD=… ; USER=… ; COMMAND=…`, as sudo's logging.c writes it.

    A folder's name may itself hold ` ; USER=root ; COMMAND=…`. What can be read in two ways is None.
    """
    user, colon, rest = message.partition(" : ")
    before, marker, command = rest.partition("COMMAND=")
    if not (colon and marker and user) or " " in user:
        return None
    reason: list[str] = []
    fields: dict[str, list[str]] = {}
    last = reason
    for part in before.removesuffix(" ; ").split(" ; "):
        key, equals, value = part.partition("=")
        if equals and key in _SUDO_KEYS:
            last = fields.setdefault(key, [])
            last.append(value)
        elif part:
            last.append(part)
    certain = " ; COMMAND=" not in command and all(len(values) == 1 for values in fields.values())
    one = {key: values[0] for key, values in fields.items()} if certain else {}
    terminal = one.get("TTY")
    return Sudo(
        program="sudo",
        user=user,
        pid=pid,
        target=one.get("USER"),
        command=command or None,
        cwd=one.get("PWD"),
        terminal=None if terminal == "unknown" else terminal,
        allowed=not reason,
        reason=" ; ".join(reason) or None,
    )


def _mark_escaped(body: Body) -> Body:
    """Name the fields of an escaped line in which the escape shows."""
    names = tuple(
        name
        for name in body.__struct_fields__
        if isinstance(value := getattr(body, name), str) and "\\" in value
    )
    return replace(body, escaped=names)

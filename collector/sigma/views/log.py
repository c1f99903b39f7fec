"""Lines of log files, as one log or as that of a service. Pure."""

from __future__ import annotations

import functools
import re
from typing import Any

from evidence.kinds.log import Message

from ..document import Logsource
from ..view import Field, Values, View

_SERVICES = {
    "sshd": ("sshd", "sshd-session", "sshd-auth"),
    "sudo": ("sudo",),
    "cron": ("cron", "CRON", "crond", "crontab", "anacron"),
    "clamav": ("clamd", "clamav", "freshclam", "clamscan"),
    "vsftpd": ("vsftpd",),
    "guacamole": ("guacd", "guacamole", "tomcat"),
    "auth": (
        *("sshd", "sshd-session", "sudo", "su", "login", "polkitd", "pkexec", "passwd", "useradd", "chage"),
        *("usermod", "userdel", "groupadd", "groupmod", "systemd-logind", "vsftpd", "CRON"),
    ),
}
"""Services that rules name, and the programs that write their lines; a file of that name is its log too."""
_FILES = {"auth": ("auth.log", "secure"), "syslog": ("syslog", "messages"), "cron": ("cron", "cron.log")}
_ASSIGNED = re.compile(r"(?:^|[\s;:])([A-Za-z_][A-Za-z0-9_]{0,31})=(\"[^\"]*\"|[^\s;]+)")


_USER = re.compile(r"(?:\bfor (?:invalid user )?|\buser=|[Ii]nvalid user )(\S+)")
_CLIENT = re.compile(r"(?: from |\brhost=)(\S+)")


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return None if found is None else found[1]


def _line(body: Message) -> str:
    """Return the line as its file has it behind time and host."""
    if body.program is None:
        return body.text
    number = f"[{body.pid}]" if body.pid is not None else ""
    return f"{body.program}{number}: {body.text}"


def _assigned(name: str, text: str) -> str | None:
    for found, value in _ASSIGNED.findall(text):
        if found == name:
            return str(value).strip('"')
    return None


def _family(name: str) -> Field | None:
    """Return the field of a line that says NAME=value, as sudo's does."""
    return Field("text", functools.partial(_assigned, name)) if name.isidentifier() else None


def _body(program: str | None, path: str, values: Values) -> Message:
    text = values.get("message") or values.get("text")
    who, client = values.get("user_name"), values.get("client_ip")
    if who is not None or client is not None:
        text = f"{text or ''} for {who}" if who is not None else text or ""
        text += f" from {client}" if client is not None else ""
    if text is None:
        text = " ; ".join(f"{name}={value}" for name, value in values.items() if name not in _PLAIN)
    place = "/var/log/syslog" if "program" in values else path
    program = values.get("program") or values.get("deviceProcessName") or program
    return Message(path=values.get("path", place), text=text, program=program)


_PLAIN = {
    "program": Field("program"),
    "deviceProcessName": Field("program"),
    "message": Field("text"),
    "text": Field("text"),
    "path": Field("path"),
    "user_name": Field("text", functools.partial(_first, _USER)),
    "client_ip": Field("text", functools.partial(_first, _CLIENT)),
}
"""user_name and client_ip are those that sshd, su and PAM write."""


def _is_of(service: str) -> Any:
    programs = frozenset(_SERVICES.get(service, ()))
    names = tuple(f"/{name}" for name in (*_FILES.get(service, ()), f"{service}.log"))
    return lambda body: body.program in programs or body.path.endswith(names) or f"/{service}/" in body.path


def _view(service: str | None) -> View:
    path = f"/var/log/{service}.log" if service is not None else "/var/log/syslog"
    program = _SERVICES[service][0] if service in _SERVICES else None
    source = Logsource("linux", None, service)
    return View(
        name=f"{service or 'any'} log",
        sensor="logs",
        kinds=(Message,),
        serves=(source, Logsource("linux", "builtin")) if service is None else (source,),
        fields=_PLAIN,
        text=Field(_line),
        body=functools.partial(_body, program, path),
        family=_family,
        **({} if service in (None, "syslog") else {"has": _is_of(service)}),
    )


VIEWS = tuple(map(_view, (None, "syslog", *_SERVICES)))

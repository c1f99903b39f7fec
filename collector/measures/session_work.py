"""What correlations share about one person's session: its key, what leaves in it, the words of a summary."""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Container
from typing import Protocol

from evidence.kind import Endpoint
from evidence.kinds.connection import Close, Open, Report
from evidence.kinds.file import Read
from evidence.kinds.process import Exec

from ..record import Person, Record
from ..rule import Site

_KILO = 1000
_UNITS = ("kB", "MB", "GB", "TB")
FLOWS = (Close, Report)
"""Kinds that tell bytes; a tuple is what isinstance is quickest with."""
SIGNS = (Exec, Read)
"""Kinds that may be signs of what the bytes are."""

ARCHIVERS = "tar zip 7z 7za rar gzip bzip2 xz zstd pigz cpio ar gpg openssl pg_dump mysqldump mongodump"
"""Programs that pack or dump data before it leaves."""
READERS = (
    "sshd sshd-session sshd-auth sudo su login passwd chpasswd unix_chkpwd cron crond systemd polkitd "
    "useradd usermod userdel vipw pwck ssh-keygen aide dpkg"
)
"""Programs that read secrets as their duty."""


class Acting(Protocol):
    """A person at work on a host: a `Record`, or a `SessionRevision`."""

    @property
    def agent(self) -> str:
        """Id of the host's agent."""
        ...

    @property
    def boot(self) -> str:
        """Boot id."""
        ...

    @property
    def host(self) -> str:
        """Name of the host."""
        ...

    @property
    def person(self) -> Person | None:
        """Who it is."""
        ...


def key(record: Acting) -> str | None:
    """Return what groups the events of one person's session on one host; None where no person is known."""
    person = record.person
    if person is None:
        return None
    if person.session is None:
        return f"{record.agent}|{record.boot}|{person.name}"
    return _session(record.agent, record.boot, person.session)


@functools.lru_cache(1024)
def _session(agent: str, boot: str, session: int) -> str:
    """Return one and the same string to all rules: together they keep it once."""
    return f"{agent}|{boot}|s{session}"


def describe(person: Person) -> str:
    """Return a person and how we know, for a summary."""
    parts = [f"how: {person.how}"]
    if person.session is not None:
        parts.append(f"audit session {person.session}")
    if person.fingerprint:
        parts.append(f"key {person.fingerprint}")
    if person.source:
        parts.append(f"from {person.source}")
    return f"{person.name} ({', '.join(parts)})"


def size(count: int) -> str:
    """Return a number of bytes for a person to read."""
    if count < _KILO:
        return f"{count} bytes"
    power = min(int(math.log10(count) / 3), len(_UNITS))
    return f"{count / _KILO**power:.1f} {_UNITS[power - 1]}"


def program(body: Exec) -> str:
    """Return the base name of what was executed."""
    return base_name(body.exe or (body.argv[0] if body.argv else ""))


@functools.lru_cache(4096)
def base_name(path: str) -> str:
    """Return what follows the last slash."""
    return path.rsplit("/", 1)[-1]


def is_foreign(body: Read, readers: Collection[str]) -> bool:
    """Return whether a person reads what is another's, with a program that is none of readers."""
    actor = body.actor
    if actor is None or actor.auid is None or body.owner == actor.auid:
        return False
    return base_name(actor.exe or "") not in readers


def leaving(record: Record, site: Site, senders: Container[str] | None = None) -> Close | Report | None:
    """Return the event if it tells of bytes that a person at work sends to where the operator knows nothing.

    That is a flow that the host began, of no timer's session, by a program of senders where they are given.
    """
    flow = moving(record)
    if flow is None or flow.direction != "out" or not flow.bytes_out:
        return None
    if senders is not None and not any(name in senders for name in senders_of(flow)):
        return None
    return None if is_known(flow.remote, site) else flow


def moving(record: Record) -> Close | Report | None:
    """Return the event if it tells of a flow of a person at work.

    That is of no timer's session, and of no container's own process, of which but a user id is known.
    """
    person, body = record.person, record.event.body
    if person is None or not isinstance(body, FLOWS) or person.is_scheduled:
        return None
    if person.how == "uid" and body.actor is not None and body.actor.container is not None:
        return None
    return body


def is_known(remote: Endpoint, site: Site) -> bool:
    """Return whether the operator knows the other end, by address or by the name that an answer gave it."""
    if site.is_known(remote.ip):
        return True
    return remote.name is not None and remote.named_by is None and site.known.is_known_name(remote.name)


def sender(body: Close | Report) -> str:
    """Return the base name of the program that owns a flow; empty where it is not known."""
    return base_name(body.actor.exe) if body.actor is not None and body.actor.exe else ""


def senders_of(body: Open | Close | Report) -> tuple[str, ...]:
    """Return the base names of the program that owns a flow and of what it has become since."""
    actor = body.actor
    if actor is None:
        return ("",)
    name = base_name(actor.exe or "")
    return (name,) if actor.became is None else (name, base_name(actor.became))


def command(body: Close | Report) -> str:
    """Return the command line of the program that owns a flow; empty where it is not known."""
    return (body.actor.cmd_line if body.actor is not None else None) or ""

"""What rules ask of an act first: was a person at work, and no installer, timer or service account."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from evidence.kind import Actor
from evidence.kinds.file import Explanation
from evidence.kinds.process import Exec

from .record import Person, Record
from .rule import Site

INSTALLERS = frozenset(
    {"dpkg", "apt", "apt-get", "aptitude", "unattended-upgrade", "unattended-upgr", "packagekitd", "snapd"}
    | {"rpm", "dnf", "dnf5", "yum", "zypper", "pacman", "apk", "dkms"}
)
SCRIPTED = INSTALLERS - {"apt", "apt-get", "aptitude"}
"""Below these run the scripts of packages; apt itself starts what its caller names as a hook."""
SHELLS = frozenset({"sh", "dash", "bash", "zsh", "ksh", "mksh", "fish", "busybox"})
_SYSTEM = ("/usr/", "/bin/", "/sbin/", "/lib/")
_OWN = "/usr/local/"


def by_person(record: Record, site: Site) -> Person | None:
    """Return the person at work; None for timers' sessions, service accounts and where nobody is known."""
    person = record.person
    if person is None or person.is_scheduled or site.known.is_service_account(person.name):
        return None
    return person


def is_change(record: Record, site: Site) -> bool:
    """Return whether the operator announced work of this person on this host at this time."""
    name = record.person.name if record.person is not None else None
    return site.known.is_change(record.host, name, record.at)


def is_below(body: Exec, names: AbstractSet[str]) -> bool:
    """Return whether one of these system programs is among the process's ancestors."""
    return any(is_system_program(step.exe, names) for step in body.ancestry)


def is_system_program(exe: str | None, names: AbstractSet[str]) -> bool:
    """Return whether exe is one of these programs, where the system keeps them: a copy elsewhere is not."""
    if not exe or not exe.startswith(_SYSTEM) or exe.startswith(_OWN):
        return False
    return exe.rpartition("/")[2] in names


def is_installer(actor: Actor | None) -> bool:
    """Return whether the actor is a package manager."""
    return actor is not None and is_system_program(actor.exe, INSTALLERS)


def is_explained(explanation: Explanation | None) -> bool:
    """Return whether a package brought the change, exactly or in its transaction."""
    return explanation is not None and bool(explanation.matches or explanation.transaction)


def command(body: Exec) -> str:
    """Return the command line for a person to read."""
    return " ".join(body.argv)[:300]


def session_of(record: Record) -> str:
    """Return, within a host, the session of the record's person, or who it is."""
    person = record.person
    if person is None:
        return record.boot
    return f"{record.boot}|{person.name if person.session is None else person.session}"


def applet(body: Exec) -> str:
    """Return the base name of what was executed; of busybox and pgrep the command they stand for."""
    name = (body.exe or (body.argv[0] if body.argv else "")).rpartition("/")[2]
    if name not in ("busybox", "pgrep") or not body.argv:
        return name
    first = body.argv[0].rpartition("/")[2]
    return "".join(body.argv[1:2]) if first == name == "busybox" else first

"""What a host is set up to do, and changes of it: who may come in, what runs by itself, what is installed."""

from __future__ import annotations

from typing import Literal

from ..kind import Actor, Body, Part
from .file import Explanation


class Changed(Body, frozen=True, kw_only=True, tag="state.changed"):
    """The subject of a source (a file, account, package database, socket) is not what it was.

    change is what became of the subject itself. added and removed are its lines, members or packages;
    changed names fields, without their values, or packages with both versions. path is the file it stands
    in. Of more than is listed, more tells how many. while_down: it happened while nobody watched.
    actor is the writer where a file event named it, the owner for a socket.
    """

    lane = "priority"

    source: str
    subject: str
    change: Literal["appeared", "changed", "gone"]
    path: str | None = None
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    more: int = 0
    actor: Actor | None = None
    explained_by: Explanation | None = None
    while_down: bool = False


class Interface(Part, frozen=True, kw_only=True):
    """A network interface with its addresses and their prefix lengths, such as ``10.0.0.5/24``."""

    name: str
    mac: str | None = None
    addresses: tuple[str, ...] = ()


class User(Part, frozen=True, kw_only=True):
    """An account with a login shell."""

    name: str
    uid: int | None = None
    shell: str | None = None


class Host(Body, frozen=True, kw_only=True, tag="inventory.host"):
    """The host as it is, at start, on change and daily. packages is a count, packages_sha256 of their list.

    rungs is the rung in use by sensor, None where a sensor sees nothing. listeners are such as
    ``tcp 0.0.0.0:22 /usr/sbin/sshd``. Lists are cut at a length that the agent's documentation gives.
    """

    host: str
    os: str | None = None
    kernel: str | None = None
    boot: str | None = None
    machine_id: str | None = None
    instance_id: str | None = None
    interfaces: tuple[Interface, ...] = ()
    users: tuple[User, ...] = ()
    listeners: tuple[str, ...] = ()
    modules: int | None = None
    packages: int | None = None
    packages_sha256: str | None = None
    rungs: dict[str, str | None] | None = None


class Packages(Body, frozen=True, kw_only=True, tag="inventory.packages"):
    """The installed packages, name to version, in parts from 1; count and digest are of the whole list."""

    manager: str
    count: int
    packages_sha256: str
    packages: dict[str, str]
    part: int = 1
    parts: int = 1


KINDS = (Changed, Host, Packages)

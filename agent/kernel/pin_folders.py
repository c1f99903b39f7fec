"""The folders of agents in bpffs: whose each is, and the removal of those that nobody will take up.

A folder is named after a random id in watch's own state folder, and after that folder's device and inode. So
an agent that is installed anew has another, though the file system may give its state the same inode; and so
has a copy of a state, which brings the id along. A link beside the pins tells where the state is.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

import msgspec

_MOUNTS = Path("/proc/self/mounts")
_MOUNT_NAMESPACE = Path("/proc/self/ns/mnt")
_ALL = "vedette"
_OWNER = "owner"
_ID = "pins"
_ID_FORM = re.compile(r"[0-9a-f]{32}")
_DIGITS = 16
LINK = "link_"
"""How the name of a pinned link begins."""


class Unpinned(msgspec.Struct, frozen=True):
    """Why nothing can be pinned, and the command that would help."""

    reason: str
    fix: str


class AgentFolder(msgspec.Struct, frozen=True):
    """The folder of one agent: it is there while something is pinned. owner names its state folder."""

    path: Path
    owner: str

    def make(self) -> None:
        """Make it, if need be, and say whose it is.

        Raises:
            OSError: bpffs refuses.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        link = self.path / _OWNER
        if _target(link) != self.owner:
            link.unlink(missing_ok=True)
            link.symlink_to(self.owner)

    def objects(self) -> list[Path]:
        """Return the folders of pinned objects."""
        try:
            return sorted(path for path in self.path.iterdir() if path.name != _OWNER)
        except OSError:
            return []

    def leave(self) -> None:
        """Remove it if nothing is pinned in it any more."""
        if not self.objects():
            with suppress(OSError):
                (self.path / _OWNER).unlink(missing_ok=True)
                self.path.rmdir()

    def clear(self) -> bool:
        """Remove it with all pins, and so end what recorded for it; return whether there was anything."""
        found = self.objects()
        for folder in found:
            remove(folder)
        self.leave()
        return bool(found)


def bpffs() -> Path | None:
    """Return where a bpffs is mounted; None where none is."""
    for line in _MOUNTS.read_text().splitlines():
        _, place, kind, *_ = line.split(" ")
        if kind == "bpf":
            return Path(place)
    return None


def agent_folder(home: Path) -> AgentFolder | Unpinned:
    """Return the folder for the pins of the agent whose watch has its state in home, where an id is made."""
    mount = bpffs()
    if mount is None:
        return Unpinned("no bpffs is mounted, so a kill would blind", "mount -t bpf bpf /sys/fs/bpf")
    try:
        if _read_id(home) is None:
            _write_id(home)
        name = _name(home)
    except OSError as error:
        return Unpinned(f"{error.filename}: {error.strerror}", f"make {home} writable")
    if name is None:
        return Unpinned(f"{home / _ID} does not keep what is written", f"look at the file system of {home}")
    above = mount / _ALL if (mount / _ALL).is_dir() else mount
    if not _takes_folders(above):
        return Unpinned(f"{above}: not permitted, so a kill would blind", "run as root")
    return AgentFolder(mount / _ALL / name, f"{_namespace()}:{home.resolve()}")


def remove_all(home: Path) -> bool:
    """Remove every pin of the agent whose watch keeps its state in home; return whether there was any."""
    mount, name = bpffs(), _name(home)
    return mount is not None and name is not None and AgentFolder(mount / _ALL / name, "").clear()


def remove_gone() -> int:
    """Remove the pins of agents that can never take them up again; return how many agents that were.

    Their state folder, in this very mount namespace, is deleted or has another id by now. What cannot be told
    apart stays.
    """
    mount, here = bpffs(), _namespace()
    gone = 0
    for folder in AgentFolder(mount / _ALL, "").objects() if mount is not None else ():
        namespace, _, home = (_target(folder / _OWNER) or "").partition(":")
        with suppress(OSError):
            if home and namespace == here and _name(Path(home)) != folder.name:
                gone += AgentFolder(folder, "").clear()
    return gone


def hold(home: Path) -> int | None:
    """Lock the id until this process ends, and return the descriptor; None where another process holds it.

    Raises:
        OSError: there is no id, or it cannot be opened.
    """
    descriptor = os.open(home / _ID, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def is_held(home: Path) -> bool:
    """Return whether watch runs with the state in home."""
    try:
        descriptor = hold(home)
    except OSError:
        return False  # who has no id has no pins
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None


def remove(folder: Path) -> None:
    """Remove one folder of pins, its links first."""
    with suppress(OSError):
        for path in sorted(folder.iterdir(), key=lambda one: not one.name.startswith(LINK)):
            path.unlink()
        folder.rmdir()


def digest(*parts: bytes) -> str:
    """Return the name of what has these parts."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "big") + part)
    return whole.hexdigest()[:_DIGITS]


def _takes_folders(above: Path) -> bool:
    """Return whether a folder can be made in above; access(2) does not count a unit's capabilities."""
    probe = above / f"new-{os.getpid()}"
    try:
        probe.mkdir(mode=0o700)
        probe.rmdir()
    except OSError:
        return False
    return True


def _name(home: Path) -> str | None:
    """Return what the folder of an agent is called; None when there is no agent at home."""
    own = _read_id(home)
    if own is None:
        return None
    found = home.stat()
    return digest(own.encode(), f"{found.st_dev}:{found.st_ino}".encode())


def _read_id(home: Path) -> str | None:
    try:
        found = (home / _ID).read_text(errors="replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found if _ID_FORM.fullmatch(found) else None


def _write_id(home: Path) -> None:
    """Write an id; it is not flushed, for a power cut takes the pins as well."""
    fresh = home / f"{_ID}.new"
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123 - by descriptor
        file.write(secrets.token_hex(16))
    fresh.replace(home / _ID)


def _namespace() -> str:
    return str(_MOUNT_NAMESPACE.stat().st_ino)


def _target(link: Path) -> str | None:
    try:
        return os.readlink(link)  # noqa: PTH115 - a name, not a path
    except OSError:
        return None

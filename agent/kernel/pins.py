"""Pins in bpffs: an object's maps and links kept there go on working when their process is killed.

A folder under `vedette/` belongs to one agent, named after its state folder; below it each object has one
folder, `NAME-LAYOUT-DIGEST`, with its maps and links. It is filled under another name and renamed at last, so
that one which has its name is whole.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
from contextlib import suppress
from pathlib import Path

import msgspec

from ..errors import RungUnavailable

_MOUNTS = Path("/proc/self/mounts")
_NEW = "-new"
_LINK = "link_"
_DIGITS = 16


class Unpinned(msgspec.Struct, frozen=True):
    """Why nothing can be pinned, and the command that would help."""

    reason: str
    fix: str


def bpffs() -> Path | None:
    """Return where a bpffs is mounted; None where none is."""
    for line in _MOUNTS.read_text().splitlines():
        _, place, kind, *_ = line.split(" ")
        if kind == "bpf":
            return Path(place)
    return None


def agent_folder(state: Path) -> Path | Unpinned:
    """Return the folder for the pins of the agent whose state folder is given; made if need be."""
    mount = bpffs()
    if mount is None:
        return Unpinned("no bpffs is mounted, so a kill would blind", "mount -t bpf bpf /sys/fs/bpf")
    try:
        found = state.stat()
        # By inode: two agents in two mount namespaces may name different folders alike.
        key = hashlib.sha256(f"{found.st_dev}:{found.st_ino}".encode()).hexdigest()[:_DIGITS]
        folder = mount / "vedette" / key
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        return Unpinned(f"nothing can be pinned in {mount}: {error.strerror}", f"mount -o remount,rw {mount}")
    return folder


def digest(*parts: bytes) -> str:
    """Return the name of what has these parts."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "big") + part)
    return whole.hexdigest()[:_DIGITS]


class Pins:
    """The pins of one object of one agent."""

    def __init__(self, library: ctypes.CDLL, agent: Path, name: str, layout: str, content: str) -> None:
        """Take the agent's folder, the object's name, the digest of its records' layout and of itself."""
        self._lib = library
        self._agent = agent
        self._name = name
        self._layout = layout
        self.folder = agent / f"{name}-{layout}-{content}"

    @property
    def whole(self) -> bool:
        """Whether this very object is pinned."""
        return self.folder.is_dir()

    def others(self) -> list[tuple[Path, bool]]:
        """Return the folders of other versions, and whether their records are laid out alike."""
        found: list[tuple[Path, bool]] = []
        for folder in sorted(self._agent.iterdir()) if self._agent.is_dir() else ():
            name, _, rest = folder.name.removesuffix(_NEW).rpartition("-")[0].rpartition("-")
            if name != self._name or folder == self.folder:
                continue
            if folder.name.endswith(_NEW):
                remove(folder)
            else:
                found.append((folder, rest == self._layout))
        return found

    def stop_others(self) -> None:
        """Detach the programs of other versions; their rings stay to be read."""
        for folder, _ in self.others():
            for path in folder.glob(f"{_LINK}*"):
                with suppress(OSError):
                    path.unlink()

    def put(self, maps: dict[str, int], links: dict[str, int]) -> None:
        """Pin maps and links, given by name and descriptor.

        Raises:
            OSError: bpffs refuses; nothing is pinned.
        """
        fresh = self.folder.with_name(self.folder.name + _NEW)
        remove(fresh)
        try:
            fresh.mkdir(mode=0o700, parents=True)
            for name, descriptor in (*maps.items(), *((_LINK + name, fd) for name, fd in links.items())):
                self._put(descriptor, fresh / name)
            fresh.rename(self.folder)
        except OSError:
            remove(fresh)
            raise

    def _put(self, descriptor: int, path: Path) -> None:
        if self._lib.bpf_obj_pin(descriptor, os.fsencode(path)):
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), str(path))

    def maps(self) -> list[str]:
        """Return the names of the pinned maps."""
        return [path.name for path in sorted(self.folder.iterdir()) if not path.name.startswith(_LINK)]

    def links(self) -> list[str]:
        """Return the names of the programs whose links are pinned."""
        return [path.name.removeprefix(_LINK) for path in sorted(self.folder.glob(f"{_LINK}*"))]

    def get(self, name: str, folder: Path | None = None) -> int:
        """Return a new descriptor of a pinned map.

        Raises:
            RungUnavailable: it is not there.
        """
        path = (folder or self.folder) / name
        descriptor: int = self._lib.bpf_obj_get(os.fsencode(path))
        if descriptor < 0:
            raise RungUnavailable(f"{path}: {os.strerror(ctypes.get_errno())}")
        return descriptor

    def remove(self) -> None:
        """Unpin: what no process holds any more ends. The last to go takes the agent's folder with it."""
        remove(self.folder)
        with suppress(OSError):
            self._agent.rmdir()


def remove(folder: Path) -> None:
    """Remove one folder of pins, its links first."""
    with suppress(OSError):
        for path in sorted(folder.iterdir(), key=lambda one: not one.name.startswith(_LINK)):
            path.unlink()
        folder.rmdir()


def remove_all(state: Path) -> None:
    """Remove every pin of the agent whose state folder is given, and so end what recorded for it."""
    found = agent_folder(state)
    if isinstance(found, Path):
        for folder in found.iterdir():
            remove(folder)
        with suppress(OSError):
            found.rmdir()

"""Pins in bpffs: an object's maps and links kept there go on working when their process is killed.

In the folder of its agent each object has one folder, `NAME-LAYOUT-DIGEST`, with its maps and links. It is
filled under another name and renamed at last, so that one which has its name is whole.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path

from ..errors import RungUnavailable
from .pin_folders import LINK, AgentFolder, remove

_NEW = "-new"


class Pins:
    """The pins of one object of one agent."""

    def __init__(
        self, library: ctypes.CDLL, agent: AgentFolder, name: str, layout: str, content: str
    ) -> None:
        """Take the agent's folder, the object's name, the digest of its records' layout and of itself."""
        self._lib = library
        self._agent = agent
        self._name = name
        self._layout = layout
        self.folder = agent.path / f"{name}-{layout}-{content}"

    @property
    def whole(self) -> bool:
        """Whether this very object is pinned."""
        return self.folder.is_dir()

    def others(self) -> list[tuple[Path, bool]]:
        """Return the folders of other versions, and whether their records are laid out alike."""
        found: list[tuple[Path, bool]] = []
        for folder in self._agent.objects():
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
            for path in folder.glob(f"{LINK}*"):
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
            self._agent.make()
            fresh.mkdir(mode=0o700)
            for name, descriptor in (*maps.items(), *((LINK + name, fd) for name, fd in links.items())):
                self._put(descriptor, fresh / name)
            fresh.rename(self.folder)
        except OSError:
            remove(fresh)
            self._agent.leave()
            raise

    def _put(self, descriptor: int, path: Path) -> None:
        if self._lib.bpf_obj_pin(descriptor, os.fsencode(path)):
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), str(path))

    def maps(self) -> list[str]:
        """Return the names of the pinned maps."""
        return [path.name for path in sorted(self.folder.iterdir()) if not path.name.startswith(LINK)]

    def links(self) -> list[str]:
        """Return the names of the programs whose links are pinned."""
        return [path.name.removeprefix(LINK) for path in sorted(self.folder.glob(f"{LINK}*"))]

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
        self._agent.leave()

"""An initramfs with Python, this repository's agent and its tests: a cpio archive in the newc form.

Format: Documentation/driver-api/early-userspace/buffer-format.rst of the Linux kernel.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

ROOT = Path(__file__).parents[2]
_TREES = ("agent", "evidence", "range", "tests/agent", "tests/system", "tests/golden", "tests/property")
_NOT_NEEDED = re.compile(r"site-packages|tests?|idlelib|lib2to3|ensurepip|tkinter|turtledemo|config.*")
_NOT_THE_AGENTS = re.compile(
    r"(pyarrow|duckdb|_duckdb|mypy|mypyc|pip|setuptools|uvloop|ruff|uvicorn|argon2|.*__mypyc).*"
)
_NOTHING = re.compile(r"(?!)")
_PROGRAMS = ("/bin/sh", "/bin/bash", "/bin/true", "/bin/sleep", "/usr/bin/true")
"""What the tests run under these names; the rest are busybox's."""
_LIBRARIES = ("libbpf.so.1", "libgcc_s.so.1")
_FOLDERS = ("dev", "proc", "sys", "tmp", "run", "var/tmp", "root", "etc", "bin", "var/log")
_LINKED = re.compile(r"(/\S+) \(0x")


class Archive:
    """A cpio archive that is being written; each path goes in once, with the folders above it."""

    def __init__(self, stream: BinaryIO) -> None:
        """Write to stream."""
        self._stream = stream
        self._names: set[str] = set()

    def folder(self, name: str) -> None:
        """Add a folder and those above it."""
        parts = Path(name).parts
        for end in range(1, len(parts) + 1):
            self._entry("/".join(parts[:end]), stat.S_IFDIR | 0o755, b"")

    def data(self, name: str, data: bytes, mode: int = 0o644) -> None:
        """Add a file."""
        self.folder(str(Path(name).parent))
        self._entry(name, stat.S_IFREG | mode, data)

    def link(self, name: str, target: str) -> None:
        """Add a symbolic link."""
        self.folder(str(Path(name).parent))
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def host(self, path: Path) -> None:
        """Add a file of this machine under its own path, and what it links to."""
        name = str(path).lstrip("/")
        if path.is_symlink():
            self.link(name, str(path.readlink()))
            self.host(path.parent / path.readlink())
        elif path.is_file():
            self.data(name, path.read_bytes(), stat.S_IMODE(path.stat().st_mode))

    def close(self) -> None:
        """Write the end of the archive."""
        self._names.clear()
        self._entry("TRAILER!!!", 0, b"")

    def _entry(self, name: str, mode: int, data: bytes) -> None:
        name = os.path.normpath(name)
        if name in self._names or name == ".":
            return
        self._names.add(name)
        raw = name.encode() + b"\0"
        numbers = (len(self._names), mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(raw), 0)
        head = b"070701" + b"".join(b"%08X" % number for number in numbers)
        self._stream.write(_padded(head + raw) + _padded(data))


def _padded(raw: bytes) -> bytes:
    return raw + b"\0" * (-len(raw) % 4)


def write(stream: BinaryIO, init: bytes) -> None:
    """Write an initramfs whose /init is the script init.

    Raises:
        OSError: a file cannot be read.
    """
    archive = Archive(stream)
    for folder in _FOLDERS:
        archive.folder(folder)
    archive.data("init", init, 0o755)
    archive.data("bin/busybox", Path("/bin/busybox").read_bytes(), 0o755)
    archive.data("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/tmp:/bin/sh\n")
    files = list(_files())
    for path in [*files, *_libraries(files)]:
        archive.host(path)
    archive.close()


def _files() -> Iterator[Path]:
    """Yield Python, its packages, and the parts of this repository that run in the guest."""
    yield Path(sys.executable)
    yield Path(sys.prefix) / "pyvenv.cfg"
    yield from _walk(Path(sysconfig.get_path("stdlib")), _NOT_NEEDED)
    yield from _walk(Path(sysconfig.get_path("platlib")), _NOT_THE_AGENTS)
    for tree in _TREES:
        yield from _walk(ROOT / tree, _NOTHING)
    yield ROOT / "pyproject.toml"
    yield from map(Path, _PROGRAMS)


def _walk(folder: Path, without: re.Pattern[str]) -> Iterator[Path]:
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not without.fullmatch(name)]
        yield from (Path(where) / name for name in names if not without.fullmatch(name))


def _libraries(files: Iterable[Path]) -> Iterator[Path]:
    """Yield the shared libraries that any of files, or the agent through ctypes, loads."""
    named = [Path(found) for name in _LIBRARIES for found in Path("/usr/lib").glob(f"*/{name}")]
    programs = [path for path in files if ".so" in path.name or os.access(path, os.X_OK)]
    yield from named
    binaries = [str(path) for path in [*programs, *named] if _is_elf(path)]
    said = subprocess.run(["ldd", *binaries], capture_output=True, text=True, check=False).stdout
    yield from (Path(found) for found in sorted(set(_LINKED.findall(said))))


def _is_elf(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(4) == b"\x7fELF"

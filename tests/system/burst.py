"""Submit records to the ring of a running agent as fast as its programs could, by burst.bpf.c."""

from __future__ import annotations

import ctypes
import os
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from agent.kernel import bpf_object
from agent.kernel.bpf_program import programs
from agent.kernel.libbpf import libbpf

SOURCE = Path(__file__).with_name("burst.bpf.c")
FIRST_PID = 1 << 23
"""Of the processes told of, beyond what a pid can be."""
_SHARED = ("ring", "armed", "losses")
_ROOM = 1024


class _RunOptions(ctypes.Structure):
    """struct bpf_test_run_opts of bpf/bpf.h."""

    _fields_ = (
        ("size", ctypes.c_size_t),
        ("data_in", ctypes.c_char_p),
        ("data_out", ctypes.c_void_p),
        ("data_size_in", ctypes.c_uint32),
        ("data_size_out", ctypes.c_uint32),
        ("ctx_in", ctypes.c_void_p),
        ("ctx_out", ctypes.c_void_p),
        ("ctx_size_in", ctypes.c_uint32),
        ("ctx_size_out", ctypes.c_uint32),
        ("retval", ctypes.c_uint32),
        ("repeat", ctypes.c_int),
        ("duration", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("cpu", ctypes.c_uint32),
        ("batch_size", ctypes.c_uint32),
    )


def build(folder: Path) -> Path:
    """Compile burst.bpf.c as `make bpf` compiles the agent's objects."""
    built = folder / "burst.bpf.o"
    command = ["clang", "-O2", "-g", "-target", "bpf", "-D__TARGET_ARCH_x86", f"-I{bpf_object.OBJECTS}"]
    subprocess.run([*command, "-c", SOURCE, "-o", built], check=True)
    return built


class Burst:
    """The program, loaded onto the maps of exec.bpf.c that are pinned in a folder."""

    def __init__(self, built: Path, pinned: Path, templates: tuple[bytes, bytes]) -> None:
        """Take the records that are submitted in turn, each as a process of its own."""
        self._lib = libbpf()
        self._lib.bpf_program__fd.argtypes = [ctypes.c_void_p]
        self._lib.bpf_prog_test_run_opts.argtypes = [ctypes.c_int, ctypes.c_void_p]
        self._open = ExitStack()
        self._object = self._lib.bpf_object__open(os.fsencode(built))
        self._open.callback(self._lib.bpf_object__close, self._object)
        for name in _SHARED:
            descriptor = self._lib.bpf_obj_get(os.fsencode(pinned / name))
            self._open.callback(os.close, descriptor)
            assert not self._lib.bpf_map__reuse_fd(self._map(name), descriptor), name
        assert not self._lib.bpf_object__load(self._object)
        table = self._lib.bpf_map__fd(self._map("templates"))
        for number, raw in enumerate(templates):
            value = len(raw).to_bytes(8, "little") + raw.ljust(_ROOM + 24, b"\0")
            assert not self._lib.bpf_map_update_elem(table, number.to_bytes(4, "little"), value, 0)
        (program,) = programs(self._lib, self._object).values()
        self._program = self._lib.bpf_program__fd(program)

    def __enter__(self) -> Self:
        """Nothing is submitted yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Unload."""
        self._open.close()

    def submit(self, count: int, seconds: float, steps: int = 100) -> float:
        """Submit count records spread over so many seconds; return how long that took."""
        began = time.monotonic()
        for step in range(steps):
            options = _RunOptions(ctypes.sizeof(_RunOptions), b"\0" * 64, None, 64, repeat=count // steps)
            assert not self._lib.bpf_prog_test_run_opts(self._program, ctypes.byref(options))
            time.sleep(max(0.0, began + (step + 1) * seconds / steps - time.monotonic()))
        return time.monotonic() - began

    def _map(self, name: str) -> int:
        return int(self._lib.bpf_object__find_map_by_name(self._object, name.encode()))

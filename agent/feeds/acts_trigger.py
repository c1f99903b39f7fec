"""The acts by which a hook is proven: each is done to this process or its own child, and leaves nothing.

Credentials, namespaces and mounts are changed in a thread of its own, which then ends.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import signal
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from evidence.kind import Body
from evidence.kinds.act import Credentials, Enter, Module, Mount, Program, Ptrace, Ring, UnixSocket

from ..errors import RungUnavailable

_MODULES = Path("/proc/modules")

PROBE = "vedette-probe.sock"
"""Name of the socket by which connections are proven."""

_NOBODY, _SAME = 65_534, -1
_SETRESUID, _CAPSET, _PRCTL, _INIT_MODULE, _BPF, _IO_URING_SETUP = 117, 126, 157, 175, 321, 425
"""System calls of x86-64, made directly: libc's would change every thread."""
_CAPABILITY_VERSION, _DROP_BOUND, _CAPABILITIES = 0x20080522, 24, 41
_ATTACH, _DETACH = 16, 17
_NEW_MOUNTS = 0x20000
_RECURSIVE, _PRIVATE = 0x4000, 0x40000
_PROGRAM_LOAD, _SOCKET_FILTER = 5, 1
_ABANDONED_FAMILY = 12
"""DECnet, which no kernel has: a socket of it makes the kernel ask for a module, in vain."""
_SLEEP, _SHELL = "/bin/sleep", "/bin/sh"


def raise_credentials(_folder: Path) -> Callable[[Body], bool]:
    """Give away all power in a thread, but for a saved user id, and take the effective one back."""

    def act() -> None:
        _call(_SETRESUID, _SAME, _NOBODY, 0)
        _drop_capabilities()
        _call(_SETRESUID, _SAME, 0, _SAME)

    _in_thread(act)
    own = os.getpid()
    return lambda body: isinstance(body, Credentials) and _by(body, own) and body.former_euid == _NOBODY


def raise_after_exec(_folder: Path) -> Callable[[Body], bool]:
    """Execute a shell without any power, but for a real user id: it makes the effective one equal to that."""
    started: list[int] = []

    def act() -> None:
        for capability in range(_CAPABILITIES):
            with suppress(RungUnavailable):  # older kernels have fewer
                _call(_PRCTL, _DROP_BOUND, capability, 0, 0, 0)
        _call(_SETRESUID, 0, _NOBODY, _NOBODY)
        started.append(os.posix_spawn(_SHELL, [_SHELL, "-c", ":"], {}))

    _in_thread(act)
    (pid,) = started
    os.waitpid(pid, 0)
    return lambda body: isinstance(body, Credentials) and _by(body, pid)


def trace_child(_folder: Path) -> Callable[[Body], bool]:
    """Attach to a child of this process, and let go."""
    pid = os.posix_spawn(_SLEEP, [_SLEEP, "60"], {})
    try:
        _libc("ptrace", _ATTACH, pid, None, None)
        os.waitpid(pid, 0)
        _libc("ptrace", _DETACH, pid, None, None)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return lambda body: isinstance(body, Ptrace) and body.tracee is not None and body.tracee.pid == pid


def ask_for_module(_folder: Path) -> Callable[[Body], bool]:
    """Make the kernel ask for a module that nobody has, and load one of no bytes, in vain both."""
    if not _MODULES.exists():
        raise RungUnavailable("this kernel has no modules to load")
    with suppress(OSError):
        socket.socket(_ABANDONED_FAMILY, socket.SOCK_STREAM).close()
    with suppress(RungUnavailable):
        _call(_INIT_MODULE, None, 0, None)
    own = os.getpid()
    return lambda body: isinstance(body, Module) and _by(body, own)


def load_program(_folder: Path) -> Callable[[Body], bool]:
    """Load a program that returns 0."""
    mark = f"v{secrets.token_hex(6)}"
    code = struct.pack("=QQ", 0xB7, 0x95)
    instructions, license_text = ctypes.create_string_buffer(code), ctypes.create_string_buffer(b"GPL")
    attributes = ctypes.create_string_buffer(
        struct.pack(
            "=IIQQIIQII16s",
            *(_SOCKET_FILTER, 2, ctypes.addressof(instructions), ctypes.addressof(license_text)),
            *(0, 0, 0, 0, 0, mark.encode()),
        ),
        120,
    )
    os.close(_call(_BPF, _PROGRAM_LOAD, attributes, len(attributes)))
    return lambda body: isinstance(body, Program) and body.name == mark


def make_mounts_private(_folder: Path) -> Callable[[Body], bool]:
    """Make the mounts of a thread's own mount namespace private."""

    def act() -> None:
        _libc("unshare", _NEW_MOUNTS)
        _libc("mount", None, b"/", None, ctypes.c_ulong(_RECURSIVE | _PRIVATE), None)

    _in_thread(act)
    own = os.getpid()
    return lambda body: isinstance(body, Mount) and _by(body, own) and "private" in body.flags


def leave_mounts(_folder: Path) -> Callable[[Body], bool]:
    """Give a thread its own mount namespace, the one kind that the unit leaves open."""

    def act() -> None:
        _libc("unshare", _NEW_MOUNTS)

    _in_thread(act)
    own = os.getpid()
    return lambda body: isinstance(body, Enter) and _by(body, own) and body.namespaces == ("mnt",)


def set_up_ring(_folder: Path) -> Callable[[Body], bool]:
    """Set up an io_uring of one entry, and close it."""
    os.close(_call(_IO_URING_SETUP, 1, ctypes.create_string_buffer(120)))
    own = os.getpid()
    return lambda body: isinstance(body, Ring) and _by(body, own)


def connect_to_probe(folder: Path) -> Callable[[Body], bool]:
    """Connect to a listener of this process in folder."""
    place = folder / PROBE
    place.unlink(missing_ok=True)
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        address = f"/proc/self/fd/{opened}/{PROBE}"  # a socket's path is short, a folder's need not be
        with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
            listener.bind(address)
            listener.listen(1)
            client.connect(address)
    finally:
        os.close(opened)
        place.unlink(missing_ok=True)
    own = os.getpid()
    return lambda body: isinstance(body, UnixSocket) and _by(body, own) and body.path.endswith("/" + PROBE)


def _by(body: Body, pid: int) -> bool:
    actor = getattr(body, "actor", None)
    return actor is not None and actor.pid == pid


def _in_thread(act: Callable[[], None]) -> None:
    """Run act in a thread of its own and wait for it.

    Raises:
        RungUnavailable: as act does.
    """
    failed: list[Exception] = []

    def run() -> None:
        try:
            act()
        except (RungUnavailable, OSError) as error:
            failed.append(error)

    thread = threading.Thread(target=run, name="act")
    thread.start()
    thread.join()
    if failed:
        raise RungUnavailable(f"its own act failed: {failed[0]}", "run as root")


def _drop_capabilities() -> None:
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION, 0))
    _call(_CAPSET, header, ctypes.create_string_buffer(24))


def _call(number: int, *arguments: object) -> int:
    return _libc("syscall", ctypes.c_long(number), *(_word(one) for one in arguments))


def _word(argument: object) -> object:
    return ctypes.c_long(argument) if isinstance(argument, int) else argument


def _libc(function: str, *arguments: object) -> int:
    """Call libc.

    Raises:
        RungUnavailable: it refused.
    """
    library = ctypes.CDLL(None, use_errno=True)
    result = int(getattr(library, function)(*arguments))
    if result < 0:
        raise RungUnavailable(f"{function}: {os.strerror(ctypes.get_errno())}", "run as root")
    return result

"""Settings of this process that only prctl(2) and mallopt(3) give."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_NAME_BYTES = 15

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_LARGE, _SPARE = 512 << 10, 1 << 20
"""Bytes of a block that gets pages of its own, and of the free end that the heap keeps."""


def be_shown_as(name: str) -> None:
    """Have ps, top and the commands that look for watch or ship show and find this process by name."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NAME, name.encode()[:_NAME_BYTES], 0, 0, 0)


def die_with_parent(name: str) -> None:
    """Be shown as name, and get SIGTERM when the parent ends, however it ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getppid()
    be_shown_as(name)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def give_back_memory() -> None:
    """Let what is freed go back to the kernel, where glibc would keep it for the next time.

    Its limits grow with each large block that is freed, and libbpf frees megabytes of BTF for each object:
    from then on such blocks lie in the heap, which can only shrink from its end.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # musl has none, and keeps nothing
        for option, value in ((_M_TRIM_THRESHOLD, _SPARE), (_M_MMAP_THRESHOLD, _LARGE), (_M_ARENA_MAX, 1)):
            libc.mallopt(option, value)

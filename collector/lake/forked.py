"""A child that a process forks for work of its own, over the memory as it is then.

It is killed with its parent, and signals to stop are its parent's business, who decides when it ends.
"""

from __future__ import annotations

import ctypes
import os
import signal
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

_PR_SET_PDEATHSIG = 1


def start(name: str, work: Callable[[], None]) -> int:
    """Return the pid of a new child, called name, that ends with 0 after work, with 1 if that raised.

    Of name the kernel keeps 15 characters.

    Raises:
        OSError: there is no memory, or no process, to be had.
    """
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _be(name, work, parent)
    return pid


def _be(name: str, work: Callable[[], None], parent: int) -> NoReturn:
    code = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            Path("/proc/self/comm").write_text(name, "ascii")
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            work()
            code = 0
    except BaseException:  # noqa: BLE001 - whatever it was, the parent must learn that this process is gone
        traceback.print_exc()
    finally:
        os._exit(code)

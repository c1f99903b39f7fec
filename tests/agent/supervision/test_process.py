"""What is freed is given back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BLOCKS = """
import ctypes, sys
from pathlib import Path
from agent.supervision import process

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes, libc.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]
if sys.argv[1] == "give back":
    process.give_back_memory()
libc.free(libc.malloc(16 << 20))
before = resident()
blocks = [libc.malloc(1 << 20) for _ in range(32)]
for block in blocks:
    ctypes.memset(block, 1, 1 << 20)
for block in blocks[:-1]:
    libc.free(block)
print(resident() - before >> 20)
"""


def kept(how: str) -> int:
    """Return the MB of 31 freed blocks of 1 MB, below one that is not freed, that stay with the process."""
    command = [sys.executable, "-c", BLOCKS, how]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return int(said.stdout) - 1


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt(3) is glibc's")
def test_large_blocks_go_back_to_the_kernel_when_they_are_freed() -> None:
    assert kept("give back") < 8
    assert kept("not") >= 24, "glibc gives them back by itself: the setting is not needed any more"

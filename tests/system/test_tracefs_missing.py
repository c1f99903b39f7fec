"""Tracepoints of system calls where nobody mounted tracefs: the rung says so, and how to mount it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agent.errors import RungUnavailable
from agent.kernel.bpf_object import BpfObject

ROOT = Path(__file__).resolve().parents[2]
_PROGRAM = "call_ptrace"
_OPEN = f"""
from agent.errors import RungUnavailable
from agent.kernel.bpf_object import BpfObject
try:
    BpfObject("acts_syscall", 4096, programs=frozenset(("{_PROGRAM}",))).close()
except RungUnavailable as refused:
    print(refused.reason, refused.fix, sep="|")
"""
_HIDE = """
for one in /sys/kernel/tracing /sys/kernel/debug; do
    if [ -d $one ]; then mount -t tmpfs none $one; fi
done
exec "$@"
"""


@pytest.mark.root
def test_a_tracepoint_without_tracefs_names_what_to_mount() -> None:
    try:
        BpfObject("acts_syscall", 4096, programs=frozenset((_PROGRAM,))).close()
    except RungUnavailable as refused:
        pytest.skip(f"{refused.reason} ({refused.fix})")
    hidden = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", _HIDE, "sh"]
    told = subprocess.run(
        [*hidden, sys.executable, "-c", _OPEN], cwd=ROOT, capture_output=True, text=True, check=True
    )
    reason = f"{_PROGRAM} does not attach: tracefs is not mounted"
    assert told.stdout == f"{reason}|mount -t tracefs tracefs /sys/kernel/tracing\n"

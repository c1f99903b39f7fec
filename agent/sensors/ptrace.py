"""The ptrace sensor: who reached into another process.

The rung of tracepoints sees attaching by its signal, seizing by its capability or the target's first stop.
"""

from __future__ import annotations

from ..feeds.act_hooks import hook, rungs
from ..feeds.acts_trigger import trace_child
from ..sensor import Sensor

_CALLS = ("call_ptrace", "call_process_vm_readv", "call_process_vm_writev", "call_pidfd_getfd")

SENSOR = Sensor(
    "ptrace",
    rungs(
        "ptrace",
        trace_child,
        {
            "lsm": (hook("lsm", "lsm_ptrace"),),
            "fentry": (hook("fentry", "entry_ptrace"),),
            "kprobe": (hook("kprobe", "probe_ptrace"),),
            "tp": (
                hook("tp", "on_signal", done=True),
                hook("capable", "capable_ptrace", needed=False),
            ),
            "syscall": (hook("syscall", *_CALLS),),
        },
    ),
)

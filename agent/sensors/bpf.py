"""The bpf sensor: eBPF programs, loaded."""

from __future__ import annotations

from ..feeds.act_hooks import hook, rungs
from ..feeds.acts_trigger import load_program
from ..sensor import Sensor

SENSOR = Sensor(
    "bpf",
    rungs(
        "bpf",
        load_program,
        {
            "lsm": (hook("lsm", "lsm_program", done=True),),
            "fentry": (hook("fentry", "entry_program", done=True),),
            "kprobe": (hook("kprobe", "probe_program", done=True),),
            "capable": (hook("capable", "capable_program"),),
            "syscall": (hook("syscall", "call_bpf"),),
        },
    ),
)

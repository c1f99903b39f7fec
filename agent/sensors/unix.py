"""The unix sensor: connections to the listed sockets of the file system, such as docker.sock."""

from __future__ import annotations

from ..feeds.act_hooks import hook, rungs
from ..feeds.acts_trigger import connect_to_probe
from ..sensor import Sensor

SENSOR = Sensor(
    "unix",
    rungs(
        "unix",
        connect_to_probe,
        {
            "lsm": (hook("lsm", "lsm_unix"),),
            "fentry": (hook("fentry", "entry_unix"),),
            "kprobe": (hook("kprobe", "probe_unix"),),
            "cgroup": (hook("cgroup", "cgroup_unix"),),
            "syscall": (hook("syscall", "call_connect"),),
        },
    ),
)

"""The namespace sensor: who entered the namespaces of a container or made new ones.

Children that are made in new namespaces are seen by a tracepoint on every rung.
"""

from __future__ import annotations

from ..feeds.act_hooks import hook, rungs
from ..feeds.acts_trigger import leave_mounts
from ..sensor import Sensor

_CHILDREN = hook("tp", "on_newtask", done=True)

SENSOR = Sensor(
    "namespace",
    rungs(
        "namespace",
        leave_mounts,
        {
            "fentry": (hook("fentry", "entry_namespaces", "entry_user_namespace", done=True), _CHILDREN),
            "kprobe": (hook("kprobe", "probe_namespaces", "probe_user_namespace", done=True), _CHILDREN),
            "capable": (hook("capable", "capable_namespace"), _CHILDREN),
            "syscall": (hook("syscall", "call_setns", "call_unshare"), _CHILDREN),
        },
    ),
)

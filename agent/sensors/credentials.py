"""The credentials sensor: powers that a process got otherwise than by an exec.

The entry of commit_creds sees every change, also one that an exploit makes; LSM hooks see those of system
calls alone, so they come after. The last rung compares what a process has with what its exec gave it.
"""

from __future__ import annotations

from ..feeds.act_hooks import hook, rungs
from ..feeds.acts_trigger import raise_after_exec, raise_credentials
from ..sensor import Sensor

_NAME = "credentials"
_COMPARING = hook("credentials", "before_exec", "after_exec", "forked", "ended", "used", done=True)

SENSOR = Sensor(
    _NAME,
    (
        *rungs(
            _NAME,
            raise_credentials,
            {
                "fentry": (hook("fentry", "entry_credentials", done=True),),
                "kprobe": (hook("kprobe", "probe_credentials", done=True),),
                "lsm": (hook("lsm", "lsm_setuid", "lsm_capset"),),
            },
        ),
        *rungs(_NAME, raise_after_exec, {"tp": (_COMPARING,)}),
    ),
)

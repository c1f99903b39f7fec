"""The module sensor: kernel modules, loaded and removed. A kernel that has none has nothing to see."""

from __future__ import annotations

from pathlib import Path

from ..feeds.act_hooks import hook, rungs
from ..feeds.acts_trigger import ask_for_module
from ..sensor import Context, Feed, Rung, Sensor


def _absent() -> str | None:
    return None if Path("/proc/modules").exists() else "this kernel is built without modules"


def _open_poll(_context: Context) -> Feed:
    from ..feeds.acts_poll import modules  # noqa: PLC0415 - loaded when the rung is tried

    return modules()


SENSOR = Sensor(
    "module",
    (
        *rungs(
            "module",
            ask_for_module,
            {
                "tp": (hook("module", "module_loaded", "module_removed", "module_asked", done=True),),
                "capable": (hook("capable", "capable_module"),),
            },
        ),
        Rung("poll", _open_poll),
    ),
    _absent,
)

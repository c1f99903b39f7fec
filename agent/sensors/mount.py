"""The mount sensor: mounts that appear, go or move. The last rung sees what stays, and not who did it."""

from __future__ import annotations

from ..feeds.act_hooks import hook, rungs
from ..feeds.acts_trigger import make_mounts_private
from ..sensor import Context, Feed, Rung, Sensor


def _open_poll(_context: Context) -> Feed:
    from ..feeds.acts_poll import mounts  # noqa: PLC0415 - loaded when the rung is tried

    return mounts()


def _four(prefix: str) -> tuple[str, ...]:
    return tuple(f"{prefix}_{what}" for what in ("mount", "umount", "move_mount", "pivot_root"))


SENSOR = Sensor(
    "mount",
    (
        *rungs(
            "mount",
            make_mounts_private,
            {
                "lsm": (hook("lsm", *_four("lsm")),),
                "fentry": (hook("fentry", *_four("entry")),),
                "kprobe": (hook("kprobe", *_four("probe")),),
                "capable": (hook("capable", "capable_mount"),),
                "syscall": (hook("syscall", *_four("call")),),
            },
        ),
        Rung("poll", _open_poll),
    ),
)

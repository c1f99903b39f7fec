"""The io_uring sensor: who set up a ring. What is done through it the file and connection sensors see."""

from __future__ import annotations

from ..feeds.act_hooks import hook, rungs
from ..feeds.acts_trigger import set_up_ring
from ..sensor import Sensor

SENSOR = Sensor(
    "io_uring",
    rungs("io_uring", set_up_ring, {"tp": (hook("tp", "on_uring", done=True),)}),
)

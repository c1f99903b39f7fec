"""The process sensor: what was executed, by whom, and how it ended."""

from __future__ import annotations

from ..feeds.process_bpf import BpfFeed
from ..feeds.process_connector import ConnectorFeed
from ..feeds.process_poll import PollFeed
from ..sensor import Rung, Sensor

SENSOR = Sensor(
    "process",
    (Rung("bpf", lambda _: BpfFeed()), Rung("connector", ConnectorFeed), Rung("poll", PollFeed)),
)

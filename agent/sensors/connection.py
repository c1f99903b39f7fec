"""The connection sensor: TCP connections with direction and bytes, and who owns them."""

from __future__ import annotations

from ..feeds.connection_bpf import BpfFeed
from ..feeds.connection_diag import DiagFeed
from ..feeds.connection_poll import PollFeed
from ..sensor import Rung, Sensor

SENSOR = Sensor("connection", (Rung("bpf", BpfFeed), Rung("diag", DiagFeed), Rung("poll", PollFeed)))

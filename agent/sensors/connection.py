"""The connection sensor: TCP connections with direction and bytes, and who owns them."""

from __future__ import annotations

from ..feeds import connection_bpf
from ..sensor import Rung, Sensor

SENSOR = Sensor("connection", (Rung("bpf", connection_bpf.BpfFeed),))

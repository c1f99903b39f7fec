"""The process sensor: what was executed, by whom, and how it ended."""

from __future__ import annotations

from ..feeds import process_bpf
from ..sensor import Context, Feed, Rung, Sensor


def _bpf(context: Context) -> Feed:  # noqa: ARG001 - needs nothing of it
    return process_bpf.BpfFeed()


SENSOR = Sensor("process", (Rung("bpf", _bpf),))

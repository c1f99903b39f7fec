"""The datagram sensor: UDP and ICMP with their bytes. Only eBPF counts them, so that it has one rung."""

from __future__ import annotations

from ..sensor import Context, Feed, Rung, Sensor


def _open_bpf(context: Context) -> Feed:
    from ..feeds.datagram_bpf import BpfFeed  # noqa: PLC0415 - loaded when it is tried

    return BpfFeed(context)


SENSOR = Sensor("datagram", (Rung("bpf", _open_bpf),))

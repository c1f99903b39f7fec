"""The DNS sensor: which process asked for which name, and what was answered.

There is one rung. A socket that hears all packets (AF_PACKET) would see questions without who asked, and
watch has no such socket; where the kernel refuses the program, DNS is not seen, and status says why.
"""

from __future__ import annotations

from ..sensor import Context, Feed, Rung, Sensor


def _open_bpf(context: Context) -> Feed:
    from ..feeds.dns_bpf import BpfFeed  # noqa: PLC0415 - loaded when it is tried

    return BpfFeed(context)


SENSOR = Sensor("dns", (Rung("bpf", _open_bpf),))

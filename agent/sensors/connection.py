"""The connection sensor: TCP connections with direction and bytes, and who owns them.

A rung is loaded when it is tried: most hosts stay on the first, and the last brings psutil with it.
"""

from __future__ import annotations

from ..sensor import Context, Feed, Rung, Sensor


def _open_bpf(context: Context) -> Feed:
    from ..feeds.connection_bpf import BpfFeed  # noqa: PLC0415 - see above

    return BpfFeed(context)


def _open_diag(context: Context) -> Feed:
    from ..feeds.connection_diag import DiagFeed  # noqa: PLC0415 - see above

    return DiagFeed(context)


def _open_poll(context: Context) -> Feed:
    from ..feeds.connection_poll import PollFeed  # noqa: PLC0415 - see above

    return PollFeed(context)


SENSOR = Sensor(
    "connection",
    (Rung("bpf", _open_bpf), Rung("diag", _open_diag), Rung("poll", _open_poll)),
)

"""The process sensor: what was executed, by whom, and how it ended.

A rung is loaded when it is tried: most hosts stay on the first, and the last brings psutil with it.
"""

from __future__ import annotations

from ..sensor import Context, Feed, Rung, Sensor


def _open_bpf(context: Context) -> Feed:
    from ..feeds.process_bpf import BpfFeed  # noqa: PLC0415 - see above

    return BpfFeed(context)


def _open_audit(context: Context) -> Feed:
    from ..feeds.process_audit import AuditFeed  # noqa: PLC0415 - see above

    return AuditFeed(context)


def _open_connector(context: Context) -> Feed:
    from ..feeds.process_connector import ConnectorFeed  # noqa: PLC0415 - see above

    return ConnectorFeed(context)


def _open_poll(context: Context) -> Feed:
    from ..feeds.process_poll import PollFeed  # noqa: PLC0415 - see above

    return PollFeed(context)


SENSOR = Sensor(
    "process",
    (
        Rung("bpf", _open_bpf),
        Rung("audit", _open_audit),
        Rung("connector", _open_connector),
        Rung("poll", _open_poll),
    ),
)

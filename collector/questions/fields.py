"""The names an analyst may use in a search: the lake's columns, and OCSF's attribute names for them."""

from __future__ import annotations

from ..lake import columns
from .conditions import Column, Fields, Kind

EVENT_ALIASES: dict[str, str | tuple[str, ...]] = {
    "user": ("user_name", "login", "person"),
    "ip": ("src_ip", "dst_ip", "person_source"),
    "port": ("src_port", "dst_port"),
    "user.name": "user_name",
    "user.uid": "uid",
    "actor.user": "login",
    "actor.user.name": "login",
    "actor.user.uid": "auid",
    "actor.process.pid": "pid",
    "actor.process.cmd_line": "cmd_line",
    "actor.process.file.path": "exe",
    "actor.session.uid": "session",
    "session.uid": "session",
    "process.pid": "pid",
    "process.cmd_line": "cmd_line",
    "process.working_directory": "cwd",
    "process.file.path": "exe",
    "process.parent_process.pid": "ppid",
    "process.user.uid": "uid",
    "process.session.uid": "session",
    "device.hostname": "host",
    "device.uid": "agent",
    "src_endpoint.ip": "src_ip",
    "src_endpoint.port": "src_port",
    "dst_endpoint.ip": "dst_ip",
    "dst_endpoint.port": "dst_port",
    "dst_endpoint.hostname": "name",
    "connection_info.direction": "direction",
    "connection_info.protocol_name": "protocol",
    "traffic.bytes_out": "bytes_out",
    "traffic.bytes_in": "bytes_in",
    "query.hostname": "name",
    "file.path": "path",
    "file.hash": "sha256",
    "container.uid": "container",
    "container.runtime": "container_runtime",
    "container.pod_uuid": "pod",
    "type": "kind",
    "status": "outcome",
    "source": "person_source",
    "text": "body",
}
"""An analyst's name to the events' column it stands for; to several where any of them may match."""

ALERT_ALIASES: dict[str, str | tuple[str, ...]] = {"device.hostname": "host", "source": "person_source"}

_EXACT = frozenset(
    {"id", "agent", "boot", "host", "kind", "lane", "direction", "protocol", "sha256", "fingerprint"}
    | {"src_ip", "dst_ip", "person_source", "container", "pod"}
)
_TIMES = frozenset({"time", "received", "detected"})
_FREE_TEXT = ("cmd_line", "exe", "cwd", "path", "name", "unit", "user_name", "login", "src_ip", "dst_ip")
"""Not the body, which has all of it: to look through those of ten million events takes many seconds."""
_ALERT_TEXT = ("title", "summary", "details")


def _kind(column: columns.Column) -> Kind:
    """Return how a column is compared."""
    if column.type == "VARCHAR":
        return "id" if column.name in _EXACT else "text"
    if column.type == "VARCHAR[]":
        return "texts"
    if column.type == "BIGINT":
        return "time" if column.name in _TIMES else "number"
    return "flag"


def _fields(
    table: tuple[columns.Column, ...],
    aliases: dict[str, str | tuple[str, ...]],
    free: tuple[str, ...],
) -> Fields:
    own = {column.name: Column(column.name, _kind(column)) for column in table}
    named: dict[str, tuple[Column, ...]] = {name: (column,) for name, column in own.items()}
    for alias, names in aliases.items():
        several = (names,) if isinstance(names, str) else names
        named[alias] = tuple(own[name] for name in several)
    return Fields(named, tuple(own[name] for name in free))


EVENTS = _fields(columns.EVENTS, EVENT_ALIASES, _FREE_TEXT)
ALERTS = _fields(columns.ALERTS, ALERT_ALIASES, _ALERT_TEXT)

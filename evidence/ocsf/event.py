"""Any event as an OCSF object: the head that all share, and the shape of its kind. Pure."""

from __future__ import annotations

import msgspec

from ..codec import Unknown
from ..event import Event
from ..kind import Body, kind_of
from . import act, file, login, network, own, process, state
from .shape import BASE, MS, OTHER, Json, Shape, Shapes

VERSION = "1.8.0"
_SHAPES: Shapes = {
    kind: shape
    for module in (process, network, login, file, act, state, own)
    for kind, shape in module.SHAPES.items()
}


class Origin(msgspec.Struct, frozen=True):
    """Where an event comes from: agent id, key epoch, boot id, host label, and the person, if one is known.

    received is the collector's clock in UTC ns.
    """

    agent: str
    epoch: int
    boot: str
    host: str
    received: int | None = None
    person: str | None = None
    how: str | None = None
    source: str | None = None
    fingerprint: str | None = None


def class_of(kind: type[Body]) -> int:
    """Return the OCSF class that events of kind belong to."""
    return _SHAPES[kind][0]


def to_ocsf(event: Event[Body] | Unknown, origin: Origin) -> Json:
    """Return the event as an OCSF object; a kind this version does not know becomes a base event."""
    kind, body, raw = _parts(event)
    class_uid, make = (BASE, _unknown) if body is None else _SHAPES[type(body)]
    shape = make(body)
    said: Json = {
        "category_uid": class_uid // 1000,
        "class_uid": class_uid,
        "activity_id": shape.activity_id,
        "type_uid": class_uid * 100 + shape.activity_id,
        "severity_id": shape.severity_id,
        "time": event.time // MS,
        "metadata": _metadata(event, origin),
        "device": {"type_id": 1, "uid": origin.agent, "hostname": origin.host, "name": origin.host},
        "message": kind,
        "unmapped": {"vedette": _own_view(event, origin, kind, raw)},
    }
    said["device"] |= shape.attributes.get("device", {})
    return said | {name: value for name, value in shape.attributes.items() if name != "device"}


def _parts(event: Event[Body] | Unknown) -> tuple[str, Body | None, Json]:
    """Return kind, body as far as this version knows it, and the body as it was sent."""
    if isinstance(event, Unknown):
        body = None if event.known is None else event.known.body
        return event.kind, body, msgspec.json.decode(event.line)["body"]
    return kind_of(event.body), event.body, msgspec.to_builtins(event.body)


def _unknown(_body: object) -> Shape:
    return Shape(OTHER, {})


def _metadata(event: Event[Body] | Unknown, origin: Origin) -> Json:
    said: Json = {
        "version": VERSION,
        "product": {"name": "Vedette", "vendor_name": "Vedette"},
        "uid": f"{origin.agent}:{origin.epoch}:{event.seq}",
        "sequence": event.seq,
        "profiles": ["linux/linux_users", "container", "host"],
    }
    if origin.received is not None:
        said["logged_time"] = origin.received // MS
    return said


def _own_view(event: Event[Body] | Unknown, origin: Origin, kind: str, raw: Json) -> Json:
    said: Json = {
        "kind": kind,
        "time_ns": event.time,
        "mono_ns": event.mono,
        "boot": origin.boot,
        "body": raw,
        "person": origin.person,
        "how": origin.how,
        "source": origin.source,
        "fingerprint": origin.fingerprint,
    }
    return {name: value for name, value in said.items() if value is not None}

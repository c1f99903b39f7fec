"""Connections and DNS: OCSF's network and DNS activity. Pure.

OCSF counts traffic from source to destination, so what this host sent over an inbound connection is
`traffic.bytes_in`.
"""

from __future__ import annotations

from ..kinds import connection, dns
from .parties import actor, endpoint
from .shape import DNS, MS, NETWORK, OTHER, Json, Shape, Shapes, known

_OPPOSITE = {
    "bytes_out": "bytes_in",
    "bytes_in": "bytes_out",
    "packets_out": "packets_in",
    "packets_in": "packets_out",
}
_RCODES = frozenset((*range(12), *range(16, 26)))


def _network(
    body: connection.Open | connection.Report | connection.Close, activity: int, traffic: Json | None
) -> Shape:
    outbound = body.direction == "out"
    source, target = (body.local, body.remote) if outbound else (body.remote, body.local)
    attributes = {
        "src_endpoint": endpoint(source),
        "dst_endpoint": endpoint(target),
        "connection_info": _connection_info(body.protocol, body.remote.ip, 2 if outbound else 1)
        | {"uid": str(body.flow)},
        "actor": actor(body.actor),
    }
    return Shape(activity, attributes | known(traffic=traffic))


def _connection_info(protocol: str, ip: str, direction: int) -> Json:
    is_v6 = ":" in ip
    return {
        "direction_id": direction,
        "protocol_name": protocol,
        "protocol_num": {"tcp": 6, "udp": 17, "icmp": 58 if is_v6 else 1}[protocol],
        "protocol_ver_id": 6 if is_v6 else 4,
    }


def _traffic(body: connection.Report | connection.Close) -> Json | None:
    counts = {name: getattr(body, name) for name in _OPPOSITE}
    if body.direction == "in":
        counts = {_OPPOSITE[name]: count for name, count in counts.items()}
    said = known(**counts)
    if body.bytes_out is not None and body.bytes_in is not None:
        said["bytes"] = body.bytes_out + body.bytes_in
    return said or None


def _open(body: connection.Open) -> Shape:
    return _network(body, 1, None)


def _report(body: connection.Report) -> Shape:
    return _network(body, 6, _traffic(body))


def _close(body: connection.Close) -> Shape:
    shape = _network(body, 2, _traffic(body))
    duration = None if body.duration is None else body.duration // MS
    return Shape(2, shape.attributes | known(duration=duration, count=body.flows))


def _listen(body: connection.Listen) -> Shape:
    attributes = {
        "dst_endpoint": endpoint(body.local),
        "connection_info": _connection_info(body.protocol, body.local.ip, 0),
        "actor": actor(body.actor),
    }
    return Shape(7, attributes)


def _query(body: dns.Query) -> Shape:
    attributes = known(
        query={"hostname": body.name, "type": body.type},
        dst_endpoint=endpoint(body.server) if body.server else {"name": "resolver"},
        answers=None if body.answers is None else [known(rdata=text, ttl=body.ttl) for text in body.answers],
        rcode_id=body.rcode if body.rcode in _RCODES else None if body.rcode is None else OTHER,
        duration=None if body.duration is None else body.duration // MS,
        count=body.count,
        actor=actor(body.actor),
    )
    return Shape(1 if body.rcode is None else 2, attributes)


SHAPES: Shapes = {
    connection.Open: (NETWORK, _open),
    connection.Report: (NETWORK, _report),
    connection.Close: (NETWORK, _close),
    connection.Listen: (NETWORK, _listen),
    dns.Query: (DNS, _query),
}

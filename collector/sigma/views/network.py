"""network_connection and DNS: connections and questions, in the words of Sysmon. Pure."""

from __future__ import annotations

from typing import Any

from evidence.kind import Endpoint
from evidence.kinds.connection import Close, Open
from evidence.kinds.dns import Query

from ..document import Logsource
from ..view import Field, Values, View, same
from .file import actor, command, program
from .process import digits


def _source(body: Any) -> Endpoint:
    """Return who opened the connection."""
    end: Endpoint = body.local if body.direction == "out" else body.remote
    return end


def _target(body: Any) -> Endpoint:
    """Return to whom it was opened: the same again and again, so that all fields of it are one basis."""
    end: Endpoint = body.remote if body.direction == "out" else body.local
    return end


def _ip(end: Endpoint) -> str:
    return end.ip


def _port(end: Endpoint) -> str | None:
    return same(end.port)


def _name(end: Endpoint) -> str | None:
    return end.name


def _direction(direction: str) -> str:
    return "true" if direction == "out" else "false"


def _open(values: Values) -> Open:
    opened = values.get("Initiated", "true").lower() == "true"
    source = Endpoint(
        ip=values.get("SourceIp", "10.0.0.5"),
        port=digits(values, "SourcePort") or 40_000,
        name=values.get("SourceHostname"),
    )
    target = Endpoint(
        ip=values.get("DestinationIp", "203.0.113.7"),
        port=digits(values, "DestinationPort") or 4443,
        name=values.get("DestinationHostname"),
    )
    said = values.get("Protocol", "tcp").lower()
    return Open(
        flow=7,
        protocol="udp" if said == "udp" else "icmp" if said == "icmp" else "tcp",
        direction="out" if opened else "in",
        local=source if opened else target,
        remote=target if opened else source,
        actor=actor(values),
    )


def _query(values: Values) -> Query:
    name, kind = values.get("QueryName") or values.get("query", "x."), values.get("record_type", "A")
    said = values.get("QueryResults") or values.get("answer")
    return Query(
        name=name.lower(),
        type=kind.upper(),
        rcode=digits(values, "QueryStatus"),
        answers=None if said is None else tuple(said.split(";")),
        actor=actor(values),
    )


def _answers(answers: tuple[str, ...] | None) -> str | None:
    return None if answers is None else ";".join(answers)


_ACTOR = {"Image": Field(program), "CommandLine": Field(command)}
VIEWS = (
    View(
        name="network_connection",
        sensor="connection",
        kinds=(Open, Close),
        serves=(Logsource("linux", "network_connection"),),
        fields=_ACTOR
        | {
            "Initiated": Field("direction", _direction, frozenset({"true", "false"})),
            "Protocol": Field("protocol", choices=frozenset({"tcp", "udp", "icmp"})),
            "SourceIp": Field(lambda body: _source(body).ip),
            "SourcePort": Field(lambda body: _source(body).port),
            "SourceHostname": Field(lambda body: _source(body).name),
            "DestinationIp": Field(_target, _ip),
            "DestinationPort": Field(_target, _port),
            "DestinationHostname": Field(_target, _name),
        },
        text=Field(_target, _name),
        body=_open,
    ),
    View(
        name="dns_query",
        sensor="dns",
        kinds=(Query,),
        serves=(Logsource("linux", "dns_query"),),
        fields=_ACTOR
        | {
            "QueryName": Field("name", column="name"),
            "QueryResults": Field("answers", _answers),
            "QueryStatus": Field("rcode"),
        },
        text=Field("name", column="name"),
        body=_query,
    ),
    View(
        name="dns",
        sensor="dns",
        kinds=(Query,),
        serves=(Logsource("linux", "dns"),),
        fields={
            "query": Field("name", column="name"),
            "record_type": Field("type"),
            "answer": Field("answers", _answers),
        },
        text=Field("name", column="name"),
        body=_query,
    ),
)

"""From flows to events."""

from __future__ import annotations

from msgspec.structs import replace

from evidence.kind import Actor, Body, Endpoint
from evidence.kinds.connection import Close, Direction, Listen, Open, Report

from ..decode.bpf_connection import Flow, FlowEvent, payload_out
from ..dns_names import DnsNames


def to_body(flow: Flow, direction: Direction, actor: Actor | None, names: DnsNames) -> Body:
    """Return the event a record reports; a SUM is the close of its flows."""
    if flow.event is FlowEvent.LISTEN:
        return Listen(protocol=flow.protocol, local=flow.local, actor=actor)
    remote = _named(flow, names)
    if flow.event is FlowEvent.OPEN:
        return Open(
            flow=flow.cookie,
            protocol=flow.protocol,
            direction=direction,
            local=flow.local,
            remote=remote,
            actor=actor,
        )
    if flow.event is FlowEvent.REPORT:
        return Report(
            flow=flow.cookie,
            protocol=flow.protocol,
            direction=direction,
            local=flow.local,
            remote=remote,
            bytes_out=payload_out(flow, direction),
            bytes_in=flow.received,
            packets_out=flow.packets_out,
            packets_in=flow.packets_in,
            duration=_duration(flow),
            actor=actor,
        )
    return Close(
        flow=flow.cookie,
        protocol=flow.protocol,
        direction=direction,
        local=flow.local,
        remote=remote,
        bytes_out=payload_out(flow, direction),
        bytes_in=flow.received,
        packets_out=flow.packets_out,
        packets_in=flow.packets_in,
        duration=_duration(flow),
        flows=flow.flows if flow.flows > 1 else None,
        actor=actor,
    )


def _duration(flow: Flow) -> int | None:
    return None if flow.opened is None else max(0, flow.mono - flow.opened)


def _named(flow: Flow, names: DnsNames) -> Endpoint:
    """Return the remote end with the name its address came from, or else which the client asked for."""
    end = flow.remote
    answered = names.find(end.ip, flow.opened or flow.mono)
    if answered is not None:
        return replace(end, name=answered)
    asked = names.of_flow(flow.cookie)
    return end if asked is None else replace(end, name=asked, named_by="tls")

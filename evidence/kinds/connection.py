"""Connections, with exact bytes by direction."""

from __future__ import annotations

from typing import Literal

from ..kind import Actor, Body, Endpoint

Direction = Literal["out", "in"]
Protocol = Literal["tcp", "udp", "icmp"]


class Open(Body, frozen=True, kw_only=True, tag="connection.open"):
    """A connection was established. flow identifies it within one boot, until its close.

    The bpf rung tells it of a connection that lives for a second; a shorter one has its close alone.
    """

    flow: int
    protocol: Protocol
    direction: Direction
    local: Endpoint
    remote: Endpoint
    actor: Actor | None = None


class Report(Body, frozen=True, kw_only=True, tag="connection.report"):
    """Bytes of a connection so far: at 1, 10, 100 MB…, each minute, and when it rests after a megabyte."""

    flow: int
    protocol: Protocol
    direction: Direction
    local: Endpoint
    remote: Endpoint
    bytes_out: int
    bytes_in: int
    packets_out: int | None = None
    packets_in: int | None = None
    duration: int | None = None
    actor: Actor | None = None


class Close(Body, frozen=True, kw_only=True, tag="connection.close"):
    """A connection ended, with its final bytes; duration is nanoseconds. bytes are None where not counted.

    flows is set where several short ones, of one process with one peer within a second, are told together:
    then bytes and packets are their sums, duration is from the first's beginning to the last's end, and a
    port that they do not share is None. UDP and ICMP end with their sockets or after 30 s of silence.
    """

    flow: int
    protocol: Protocol
    direction: Direction
    local: Endpoint
    remote: Endpoint
    bytes_out: int | None = None
    bytes_in: int | None = None
    packets_out: int | None = None
    packets_in: int | None = None
    duration: int | None = None
    flows: int | None = None
    actor: Actor | None = None


class Listen(Body, frozen=True, kw_only=True, tag="connection.listen"):
    """A socket began to accept connections."""

    protocol: Protocol
    local: Endpoint
    actor: Actor | None = None


KINDS = (Open, Report, Close, Listen)

"""Connections, with exact bytes by direction."""

from __future__ import annotations

from typing import Literal

from ..kind import Actor, Body, Endpoint

Direction = Literal["out", "in"]


class Open(Body, frozen=True, kw_only=True, tag="connection.open"):
    """A connection was established. flow identifies it within one boot, until its close."""

    flow: int
    protocol: Literal["tcp", "udp"]
    direction: Direction
    local: Endpoint
    remote: Endpoint
    actor: Actor | None = None


class Report(Body, frozen=True, kw_only=True, tag="connection.report"):
    """Bytes of a connection so far: at 1, 10, 100 MB… and at least each minute."""

    flow: int
    protocol: Literal["tcp", "udp"]
    direction: Direction
    local: Endpoint
    remote: Endpoint
    bytes_out: int
    bytes_in: int
    duration: int | None = None
    actor: Actor | None = None


class Close(Body, frozen=True, kw_only=True, tag="connection.close"):
    """A connection ended, with its final bytes; duration is nanoseconds. bytes are None where not counted."""

    flow: int
    protocol: Literal["tcp", "udp"]
    direction: Direction
    local: Endpoint
    remote: Endpoint
    bytes_out: int | None = None
    bytes_in: int | None = None
    packets_out: int | None = None
    packets_in: int | None = None
    duration: int | None = None
    actor: Actor | None = None


class Listen(Body, frozen=True, kw_only=True, tag="connection.listen"):
    """A socket began to accept connections."""

    protocol: Literal["tcp", "udp"]
    local: Endpoint
    actor: Actor | None = None


KINDS = (Open, Report, Close, Listen)

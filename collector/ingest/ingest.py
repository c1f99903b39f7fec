"""The ingest listener's application (ASGI): batches, checkpoint and tiles, renewal by certificate.

A batch's events are not decoded here. It is plain ASGI, since this is the collector's busiest path.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from evidence import endpoints, receipt
from evidence.enrolment import REQUEST_LIMIT, RenewalReply
from evidence.refusal import STATUS, Code, Refusal

from ..errors import CollectorError, Denied, Refused
from ..ledger.publish import Published
from .admission import Admission, DiskFloor
from .intake import Intake
from .mutual_tls import EXTENSION, Arriving
from .verify import BODY_LIMIT

Renew = Callable[[str, bytes], RenewalReply]
"""Renews the certificate of an agent, which the connection has proved to be, by a request body; blocks."""

Offered = Callable[[str, str], bytes]
"""Returns the policies an agent is handed, unless it has them: their hex SHA-256 is given; blocks."""

_JSON = (b"content-type", b"application/json")
_TEXT = (b"content-type", b"text/plain; charset=utf-8")
_POLICIES = (b"content-type", b"application/vnd.vedette.policies")
_BYTES = (b"content-type", b"application/octet-stream")
_KNOWN_SIZE = endpoints.KNOWN_SIZE.encode()
_KNOWN_POLICY = endpoints.KNOWN_POLICY.encode()
_FAULT_RETRY_SECONDS = 5.0
BODY_SECONDS = 60.0
"""Seconds a client has for the body of one request."""
_SIZE_DIGITS = 19
_LAST = frozenset({Code.TOO_LARGE, Code.UNKNOWN_AGENT, Code.REVOKED})
"""Refusals that end the connection: the rest of the body is not wanted, or nothing more of this client."""


class Gone(Exception):
    """The client went away before its request was complete."""


class Ingest:
    """The ASGI application."""

    def __init__(
        self,
        intake: Intake,
        admission: Admission,
        floor: DiskFloor,
        published: Published,
        renew: Renew | None = None,
        *,
        offered: Offered | None = None,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        """Let a client take body_seconds for the body of one request."""
        self._body_seconds = body_seconds
        self._intake = intake
        self._admission = admission
        self._floor = floor
        self._published = published
        self._renew = renew
        self._offered = offered

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request; a refusal has a code, an HTTP status and, where it helps, Retry-After."""
        try:
            status, headers, body = 200, *await self._answer(scope, receive)
        except Refused as refused:
            status, headers, body = _refusal(refused)
        except Gone:
            return
        except CollectorError:
            status, headers, body = _refusal(Refused(Code.FAULT, "a fault", _FAULT_RETRY_SECONDS))
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Any, receive: Any) -> tuple[list[tuple[bytes, bytes]], bytes]:
        path, method = scope["path"], scope["method"]
        if path == endpoints.BATCHES and method == "POST":
            return [_JSON], await self._batch(scope, receive)
        if path == endpoints.RENEW and method == "POST" and self._renew is not None:
            return [_JSON], await self._renewal(self._renew, scope, receive)
        if path == endpoints.POLICY and method == "GET" and self._offered is not None:
            return [_POLICIES], await self._policies(self._offered, scope)
        if path == endpoints.CHECKPOINT and method == "GET":
            return [_TEXT], self._published.checkpoint()
        if path.startswith(endpoints.TILES + "/") and method == "GET":
            tile = self._published.tile(path[1:])
            if tile is not None:
                return [_BYTES], tile
        raise Refused(Code.NOT_FOUND, f"there is no {method} {path[:100]}; see the wire protocol's endpoints")

    async def _batch(self, scope: Any, receive: Any) -> bytes:
        size = _announced(scope["headers"], BODY_LIMIT)
        self._floor.check()
        self._admission.enter(size)
        try:
            arriving = _arriving(scope)
            body = await _body(receive, size, arriving, self._body_seconds)
            known = _known_size(scope["headers"])
            return receipt.to_bytes(await self._intake.batch(body, arriving.agent, known))
        finally:
            self._admission.leave(size)

    async def _policies(self, offered: Offered, scope: Any) -> bytes:
        agent = self._intake.peer(_arriving(scope).agent)
        return await asyncio.to_thread(offered, agent, _known_policies(scope["headers"]))

    async def _renewal(self, renew: Renew, scope: Any, receive: Any) -> bytes:
        arriving = _arriving(scope)
        body = await _body(receive, _announced(scope["headers"], REQUEST_LIMIT), arriving, self._body_seconds)
        agent = self._intake.peer(arriving.agent)
        try:
            return msgspec.json.encode(await asyncio.to_thread(renew, agent, body))
        except Denied as denied:
            raise Refused(Code.REFUSED, "refused; the collector's log has the reason") from denied


def _arriving(scope: Any) -> Arriving:
    found: Arriving = scope["extensions"][EXTENSION]
    return found


def _announced(headers: Iterable[tuple[bytes, bytes]], limit: int) -> int:
    """Return how many bytes the body may have: what the client announced, or limit if it did not.

    Raises:
        Refused: too_large.
    """
    for name, value in headers:
        if name == b"content-length" and value.isdigit():
            if len(value) > _SIZE_DIGITS or int(value) > limit:
                raise Refused(Code.TOO_LARGE, f"request: more than {limit} bytes")
            return int(value)
    return limit


async def _body(receive: Any, limit: int, arriving: Arriving, seconds: float) -> bytes:
    """Return the body, for which the client has so many seconds.

    Raises:
        Refused: too_large, or bad_request where the client took too long.
        Gone: the client went away.
    """
    if arriving.is_whole:  # the usual case, which needs no watch over the time
        return await _received(receive, limit)
    try:
        async with asyncio.timeout(seconds):
            return await _received(receive, limit)
    except TimeoutError as error:
        raise Refused(Code.BAD_REQUEST, f"request: not complete after {seconds:.0f} s") from error


async def _received(receive: Any, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        parts.append(message["body"])
        size += len(message["body"])
        if size > limit:
            raise Refused(Code.TOO_LARGE, f"request: more than {limit} bytes")
        more = message["more_body"]
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _known_policies(headers: Iterable[tuple[bytes, bytes]]) -> str:
    return next((value.decode("ascii", "replace") for name, value in headers if name == _KNOWN_POLICY), "")


def _known_size(headers: Iterable[tuple[bytes, bytes]]) -> int:
    for name, value in headers:
        if name == _KNOWN_SIZE:
            if not value.isdigit() or len(value) > _SIZE_DIGITS:
                raise Refused(Code.BAD_REQUEST, f"{endpoints.KNOWN_SIZE}: not a number of entries")
            return int(value)
    return 0


def _refusal(refused: Refused) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    headers = [_JSON]
    if refused.retry_after is not None:
        headers.append((b"retry-after", str(max(1, round(refused.retry_after))).encode()))
    if refused.code in _LAST:
        headers.append((b"connection", b"close"))
    body = msgspec.json.encode(Refusal(refused.code, str(refused)))
    return STATUS[refused.code], headers, body

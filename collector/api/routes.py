"""The endpoints as Starlette routes: read and bound the request, know who asks, record the act, answer.

An act is durable in the ledger before its result is sent; where that fails, the act fails.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from evidence.errors import EvidenceError
from evidence.kinds.collector import Act

from ..errors import CollectorError
from . import endpoints, openapi
from .endpoint import Call, Endpoint, Rows, Stream
from .errors import ApiError, of
from .login_limit import LoginLimit
from .reading import check_role, read
from .services import Services

RUNNING_LIMIT = 8
"""Requests worked on at once; sandboxed statements count too."""
WAITING_LIMIT = 32
"""Requests that may wait for one of those to end; more are told to come back."""
_POLL_SECONDS = 0.1
_log = logging.getLogger("vedette.api")
Answer = msgspec.Struct | Stream


def routes(services: Services) -> list[Route]:
    """Return the API's routes and ``/openapi.json``."""
    gate = Gate()
    limit = LoginLimit()
    found = [
        Route(
            endpoint.path,
            _view(endpoint, services, gate, limit),
            methods=[endpoint.method],
            name=endpoint.verb,
        )
        for endpoint in endpoints.load()
    ]
    described = msgspec.json.encode(openapi.document(endpoints.load()))

    async def describe(_: Request) -> Response:
        return Response(described, media_type="application/json")

    return [*found, Route("/openapi.json", describe, methods=["GET"], name="openapi")]


class Gate:
    """Bounds how much is worked on at once, so that analysts cannot take the collector's threads."""

    def __init__(self) -> None:
        self._running = asyncio.Semaphore(RUNNING_LIMIT)
        self._waiting = 0

    async def run(self, work: Callable[[], Answer]) -> Answer:
        """Run work in a thread as soon as there is room.

        Raises:
            ApiError: too many wait already.
        """
        if self._waiting >= WAITING_LIMIT:
            raise ApiError(
                503, "overloaded", "too many queries are waiting; try again shortly", retry_after=2
            )
        self._waiting += 1
        try:
            await self._running.acquire()
        finally:
            self._waiting -= 1
        try:
            return await run_in_threadpool(work)
        finally:
            self._running.release()


def _view(
    endpoint: Endpoint, services: Services, gate: Gate, limit: LoginLimit
) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    async def view(request: Request) -> Response:
        try:
            call = await read(endpoint, services, request)
            if endpoint.role is None:
                _hold_back(limit, call)
            return _response(await _answer(endpoint, call, gate, request))
        except CollectorError as error:
            return _refusal(of(error))
        except EvidenceError as error:  # an act too large to be recorded
            return _refusal(ApiError(413, "too_large", str(error)))
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception:  # noqa: BLE001 - whatever fails, the caller gets JSON and the log the traceback
            _log.exception("%s %s failed", endpoint.method, endpoint.path)
            return _refusal(ApiError(500, "fault", "an unexpected error; the collector's log has it"))

    return view


def _hold_back(limit: LoginLimit, call: Call) -> None:
    address = call.source.ip if call.source else "unknown"
    wait = limit.wait(call.body.user, address, call.services.clock() / 1e9)
    if wait:
        raise ApiError(429, "rate_limited", f"too many attempts to log in; wait {wait} s", retry_after=wait)


async def _answer(endpoint: Endpoint, call: Call, gate: Gate, request: Request) -> Answer:
    await _record(endpoint, call)
    check_role(endpoint, call.user)
    work = functools.partial(_begin, endpoint, call)
    deadline = call.services.clock() + call.values.get("wait", 0) * 10**9 if endpoint.wait else 0
    while True:
        before = _stamp(call)  # taken first: a commit during the query must not be slept over
        answer = await gate.run(work)
        if not isinstance(answer, Rows) or answer.rows or call.services.clock() >= deadline:
            return answer
        while _stamp(call) == before and call.services.clock() < deadline:
            if await request.is_disconnected():
                return answer
            await asyncio.sleep(_POLL_SECONDS)


def _begin(endpoint: Endpoint, call: Call) -> Answer:
    """Answer; of a stream make the first part, so that what is wrong is said before the status is sent."""
    answer = endpoint.handle(call)
    if not isinstance(answer, Stream):
        return answer
    first = next(answer.chunks, b"")
    return Stream(answer.media, answer.filename, itertools.chain((first,), answer.chunks))


async def _record(endpoint: Endpoint, call: Call) -> None:
    """Append the act to the ledger, refused ones too."""
    if not endpoint.record or call.user is None:
        return
    allowed = endpoint.role is None or call.user.role.includes(endpoint.role)
    given = call.values | (msgspec.structs.asdict(call.body) if call.body is not None else {})
    detail = {name: _text(value) for name, value in given.items() if value is not None and value != ""}
    act = Act(
        user=call.user.name,
        verb=endpoint.verb,
        object=detail.get(endpoint.object) if endpoint.object else None,
        detail=detail or None,
        reason=None if allowed else f"role {call.user.role}",
        allowed=allowed,
        source=call.source,
    )
    await run_in_threadpool(call.services.record, act)


def _text(value: Any) -> str:
    """Return a parameter as an act shows it: what has parts as JSON."""
    return str(value) if isinstance(value, str | int | float) else msgspec.json.encode(value).decode()


def _stamp(call: Call) -> int | None:
    """Return what changes when the store commits."""
    try:
        return call.services.snapshot.stat().st_mtime_ns
    except OSError:
        return None


def _response(answer: Answer) -> Response:
    headers = {"Cache-Control": "no-store"}
    if isinstance(answer, Stream):
        headers["Content-Disposition"] = f'attachment; filename="{answer.filename}"'
        return StreamingResponse(answer.chunks, media_type=answer.media, headers=headers)
    return Response(msgspec.json.encode(answer), media_type="application/json", headers=headers)


def _refusal(error: ApiError) -> Response:
    headers = {"Cache-Control": "no-store"}
    if error.problem.retry_after is not None:
        headers["Retry-After"] = str(error.problem.retry_after)
    if error.status == 401:  # noqa: PLR2004 - as HTTP names it
        headers["WWW-Authenticate"] = "Bearer"
    return Response(msgspec.json.encode(error.problem), error.status, headers, media_type="application/json")

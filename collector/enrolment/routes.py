"""The enrolment listener's routes: nonce, enrolment, renewal by the host's key.

Every denied request gets the same bytes; the exact reason goes to the log and is recorded as an act.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from evidence import endpoints
from evidence.enrolment import REQUEST_LIMIT
from evidence.errors import EvidenceError
from evidence.kind import Endpoint
from evidence.kinds.collector import Act
from evidence.refusal import STATUS, Code, Refusal

from ..errors import CollectorError, Denied, Refused
from .nonces import Nonces
from .registrar import Admission, Registrar
from .renewals import Renewals
from .throttle import Throttle

DENIED = Refusal(Code.REFUSED, "the request was refused; the collector's log has the reason")
_BUSY_SECONDS = 5.0
_ACT = "enrolment.refused"
_log = logging.getLogger("vedette.enrolment")


class Limits(msgspec.Struct, frozen=True):
    """Requests a minute: of one source address, and of refusals that are recorded one by one."""

    source_per_minute: float = 600.0
    source_burst: int = 300
    acts_per_minute: float = 60.0
    acts_burst: int = 60


class Enrolment:
    """The three handlers. Registrar and renewals take nonces from the same place."""

    def __init__(
        self,
        registrar: Registrar,
        renewals: Renewals,
        nonces: Nonces,
        *,
        record: Callable[[Act], object],
        limits: Limits,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """Take what decides, what makes an act durable, how much is permitted, and UTC ns."""
        self._registrar = registrar
        self._renewals = renewals
        self._nonces = nonces
        self._record = record
        self._clock = clock
        self._sources = Throttle(limits.source_per_minute, limits.source_burst)
        self._acts = Throttle(limits.acts_per_minute, limits.acts_burst)
        self._unrecorded = 0

    def routes(self) -> list[Route]:
        """Return the routes to mount."""
        return [
            Route(endpoints.NONCE, self._nonce, methods=["GET"]),
            Route(endpoints.ENROL, self._enrol, methods=["POST"]),
            Route(endpoints.RENEW, self._renew, methods=["POST"]),
        ]

    async def _nonce(self, request: Request) -> Response:
        refused = self._too_often(_address(request))
        return refused or _json({"nonce": self._nonces.issue(self._clock())})

    async def _enrol(self, request: Request) -> Response:
        return await self._answer(request, self._admit)

    async def _renew(self, request: Request) -> Response:
        return await self._answer(request, self._extend)

    def _admit(self, body: bytes, address: str) -> object:
        done = self._registrar.enrol(body, address, self._clock())
        _log.info("%s", _told(done, address))
        return done.reply

    def _extend(self, body: bytes, address: str) -> object:
        agent, reply = self._renewals.by_key(body, self._nonces, self._clock())
        _log.info("agent %s at %s renewed its certificate by its signing key", agent, address)
        return reply

    async def _answer(self, request: Request, work: Callable[[bytes, str], object]) -> Response:
        address = _address(request)
        refused = self._too_often(address)
        if refused is not None:
            return refused
        try:
            body = await _read(request)
            return _json(await run_in_threadpool(work, body, address))
        except Denied as error:
            await run_in_threadpool(self._tell, request.url.path, address, str(error))
            return _refuse(DENIED)
        except Refused as error:
            return _refuse(Refusal(error.code, str(error)), error.retry_after)
        except (CollectorError, EvidenceError) as error:
            _log.error("%s from %s failed: %s", request.url.path, address, error)
            return _refuse(Refusal(Code.OVERLOADED, "cannot be recorded now; ask again"), _BUSY_SECONDS)

    def _too_often(self, address: str) -> Response | None:
        wait = self._sources.wait(address, self._clock())
        if not wait:
            return None
        return _refuse(Refusal(Code.RATE_LIMITED, "too many requests from this address"), wait)

    def _tell(self, path: str, address: str, reason: str) -> None:
        """Log a denial and record it; a flood of them is logged one by one, and recorded as a count."""
        _log.warning("%s from %s refused: %s", path, address, reason)
        if self._acts.wait("", self._clock()):
            self._unrecorded += 1
            return
        detail = {"path": path, "reason": reason[:1024], "unrecorded_before": str(self._unrecorded)}
        act = Act(user=address, verb=_ACT, detail=detail, allowed=False, source=Endpoint(ip=address))
        try:
            self._record(act)
            self._unrecorded = 0
        except (CollectorError, EvidenceError) as error:
            _log.error("the refusal could not be recorded: %s", error)


def _told(done: Admission, address: str) -> str:
    again = " again: its first answer was lost" if done.repeated else ""
    successor = f"; it replaces agent {done.successor_of}, same machine" if done.successor_of else ""
    return f"{done.host} at {address} enrolled{again} as {done.reply.agent}, token {done.token}{successor}"


async def _read(request: Request) -> bytes:
    """Return the body, reading no more than an enrolment may have."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > REQUEST_LIMIT:
            raise Refused(Code.TOO_LARGE, f"request: more than {REQUEST_LIMIT} bytes")
    return bytes(body)


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _json(value: object) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def _refuse(refusal: Refusal, retry_after: float | None = None) -> Response:
    headers = {} if retry_after is None else {"Retry-After": str(max(1, round(retry_after)))}
    return Response(
        msgspec.json.encode(refusal), STATUS[refusal.code], headers=headers, media_type="application/json"
    )

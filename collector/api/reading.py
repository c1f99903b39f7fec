"""A request, read and bounded: who asks, with which parameters and body."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from evidence.kind import Endpoint as Address

from ..users import User
from . import parameter
from .endpoint import Call, Endpoint
from .errors import ApiError
from .services import Services

BODY_LIMIT = 65_536
"""Bytes of a request's body."""
QUERY_STRING_LIMIT = 16_384
PARAMETERS_LIMIT = 32
_BEARER = "bearer "


async def read(endpoint: Endpoint, services: Services, request: Request) -> Call:
    """Return the request as a call.

    Raises:
        ApiError: nobody valid asks, a parameter or the body is wrong, or it is too large.
    """
    token = _token(request)
    user = await _user(endpoint, services, token)
    source = Address(ip=request.client.host, port=request.client.port) if request.client else None
    try:
        values = parameter.read(endpoint.parameters, _given(request), services.clock())
    except ApiError:
        check_role(endpoint, user)  # who may not ask at all is told that first
        raise
    body = await _body(endpoint, request)
    return Call(services, user, source, values, body, token)


def _token(request: Request) -> str | None:
    header = request.headers.get("authorization", "")
    return header[len(_BEARER) :].strip() if header[: len(_BEARER)].lower() == _BEARER else None


async def _user(endpoint: Endpoint, services: Services, token: str | None) -> User | None:
    if endpoint.role is None:
        return None
    user = None
    if token is not None:
        user = await run_in_threadpool(services.users.check_token, token, services.clock())
    if user is None:
        raise ApiError(401, "not_logged_in", "no valid API token; log in with `vedette login`")
    return user


def check_role(endpoint: Endpoint, user: User | None) -> None:
    """Let through whose role the endpoint is for.

    Raises:
        ApiError: the user's role is not enough.
    """
    if endpoint.role is not None and (user is None or not user.role.includes(endpoint.role)):
        role = user.role if user else "nobody"
        raise ApiError(403, "forbidden", f"{endpoint.verb}: needs the role {endpoint.role}, yours is {role}")


def _given(request: Request) -> dict[str, list[str]]:
    raw = request.scope.get("query_string", b"")
    if len(raw) > QUERY_STRING_LIMIT:
        raise ApiError(414, "too_large", f"the query string has more than {QUERY_STRING_LIMIT} bytes")
    try:
        given = parse_qs(
            raw.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(raw),
            errors="strict",
            max_num_fields=PARAMETERS_LIMIT,
        )
    except ValueError as error:  # also UnicodeDecodeError
        raise ApiError(400, "bad_request", "the query string is not well formed") from error
    for name, value in request.path_params.items():
        given[name] = [str(value)]
    return given


async def _body(endpoint: Endpoint, request: Request) -> Any:
    parts: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > BODY_LIMIT:
            raise ApiError(413, "too_large", f"the body has more than {BODY_LIMIT} bytes")
        parts.append(chunk)
    if endpoint.body is None:
        if size:
            raise ApiError(400, "bad_request", f"{endpoint.verb} takes no body")
        return None
    try:
        return msgspec.json.decode(b"".join(parts), type=endpoint.body)
    except msgspec.ValidationError as error:
        _, _, where = str(error).partition(" - at `$.")
        raise ApiError(400, "bad_request", f"body: {error}", where.rstrip("`") or None) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ApiError(400, "bad_request", f"body: no JSON: {error}") from error

"""Logging in and out: a password for an API token, and the end of that token."""

from __future__ import annotations

from typing import Annotated

import msgspec

from evidence.kinds.collector import Act

from ...users import Role
from ..endpoint import Call, Endpoint, Stream
from ..errors import ApiError

TOKEN_NANOSECONDS = 12 * 3600 * 10**9
"""How long a login lasts: a working day."""


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user's name and password."""

    user: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    password: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]


class Login(msgspec.Struct, frozen=True):
    """The token that further requests carry as ``Authorization: Bearer``; expires is UTC ns."""

    token: str
    user: str
    role: Role
    expires: int


class Done(msgspec.Struct, frozen=True):
    """It is done."""

    done: bool = True


def _login(call: Call) -> msgspec.Struct | Stream:
    credentials: Credentials = call.body
    account = call.services.users.authenticate(credentials.user, credentials.password)
    act = Act(user=credentials.user, verb="login", source=call.source, allowed=account is not None)
    if account is None:
        call.services.record(msgspec.structs.replace(act, reason="wrong user or password"))
        raise ApiError(401, "wrong_credentials", "the user or the password is wrong, or the user is disabled")
    call.services.record(act)
    now = call.services.clock()
    expires = now + TOKEN_NANOSECONDS
    token = call.services.users.issue_token(account.name, "vedette login", now, expires)
    return Login(token, account.name, account.role, expires)


def _logout(call: Call) -> msgspec.Struct | Stream:
    if call.user is not None and call.token is not None:
        call.services.users.revoke_token(call.user.name, call.token.split(".")[1], call.services.clock())
    return Done()


ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/login",
        "login",
        "Exchange user and password for an API token",
        None,
        _login,
        Login,
        body=Credentials,
        record=False,
    ),
    Endpoint(
        "POST", "/v1/logout", "logout", "End the token this request carries", Role.VIEWER, _logout, Done
    ),
)

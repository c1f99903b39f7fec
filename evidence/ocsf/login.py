"""Logins, sessions, sudo and su: OCSF's authentication. Pure."""

from __future__ import annotations

from typing import Any

from ..kind import Actor, Endpoint
from ..kinds import login
from . import parties
from .shape import AUTHENTICATION, LOW, OTHER, Json, Shape, Shapes, known


def _authentication(body: Any, activity: int, **more: Any) -> Shape:
    """Shape a login kind; every one has program, user, pid, uid, auid and session."""
    who = Actor(pid=body.pid, auid=body.auid, session=body.session) if body.pid is not None else None
    attributes = known(
        user=parties.user(body.uid, body.user),
        service={"name": body.program},
        actor=None if who is None else parties.actor(who),
        session=parties.session(body.session, getattr(body, "terminal", None)),
        **more,
    )
    return Shape(activity, attributes)


def _remote(source: Endpoint | None) -> Json:
    return {} if source is None else {"src_endpoint": parties.endpoint(source), "is_remote": True}


def _method(method: str | None) -> Json:
    return {} if method is None else {"auth_protocol": method, "auth_protocol_id": OTHER}


def _accepted(body: login.Accepted) -> Shape:
    local = parties.endpoint(body.local) if body.local else None
    shape = _authentication(body, 1, status_id=1, dst_endpoint=local, **_method(body.method))
    session = shape.attributes.get("session", {}) | known(credential_uid=body.fingerprint)
    return Shape(1, shape.attributes | _remote(body.source) | known(session=session or None))


def _failed(body: login.Failed) -> Shape:
    shape = _authentication(
        body, 1, status_id=2, count=body.count, **_method(body.method), **_remote(body.source)
    )
    return Shape(1, shape.attributes, LOW)


def _disconnected(body: login.Disconnected) -> Shape:
    return _authentication(body, 2, **_remote(body.source))


def _session_open(body: login.SessionOpen) -> Shape:
    return _authentication(body, 1, status_id=1, **_remote(body.source))


def _session_close(body: login.SessionClose) -> Shape:
    return _authentication(body, 2)


def _switch(body: login.Sudo | login.Su) -> Shape:
    detail = body.reason or body.command if isinstance(body, login.Sudo) else None
    shape = _authentication(
        body, 7, status_id=1 if body.allowed else 2, status_detail=detail, account_switch_type_id=1
    )
    target = {"user": {"name": body.target or "root"}, "actor": {"user": {"name": body.user}}}
    return Shape(7, shape.attributes | target)


SHAPES: Shapes = {
    login.Accepted: (AUTHENTICATION, _accepted),
    login.Failed: (AUTHENTICATION, _failed),
    login.Disconnected: (AUTHENTICATION, _disconnected),
    login.SessionOpen: (AUTHENTICATION, _session_open),
    login.SessionClose: (AUTHENTICATION, _session_close),
    login.Sudo: (AUTHENTICATION, _switch),
    login.Su: (AUTHENTICATION, _switch),
}

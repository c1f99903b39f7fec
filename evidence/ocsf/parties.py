"""Processes, users, sessions, containers and endpoints as OCSF's objects. Pure."""

from __future__ import annotations

import re

from ..kind import Actor, Endpoint
from .shape import Json, known

_PORT_LIMIT = 65_535
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def base_name(path: str) -> str:
    """Return the last part of path, which OCSF wants beside it."""
    return path.rstrip("/").rsplit("/", 1)[-1] or path


def user(uid: int | None, name: str | None = None) -> Json | None:
    """Return a user, or None where nothing is known."""
    if uid is None and name is None:
        return None
    return known(uid=None if uid is None else str(uid), name=name)


def session(number: int | None, terminal: str | None = None) -> Json | None:
    """Return an audit session, or None where nothing is known."""
    if number is None and terminal is None:
        return None
    return known(uid=None if number is None else str(number), terminal=terminal)


def executable(path: str | None, sha256: str | None = None) -> Json | None:
    """Return a process's file, or None where it is not known."""
    if path is None:
        return None
    return known(name=base_name(path), path=path, type_id=1, hashes=hashes(sha256))


def hashes(sha256: str | None) -> list[Json] | None:
    """Return a list of one fingerprint."""
    return None if sha256 is None else [{"algorithm_id": 3, "algorithm": "SHA-256", "value": sha256}]


def process(who: Actor) -> Json:
    """Return a process; the start makes its pid unique."""
    return known(
        pid=who.pid,
        uid=None if who.start is None else f"{who.pid}:{who.start}",
        name=None if who.exe is None else base_name(who.exe),
        file=executable(who.exe),
        cmd_line=who.cmd_line,
        auid=who.auid,
        user=user(who.uid),
        session=session(who.session),
        container=container(who),
    )


def container(who: Actor) -> Json | None:
    """Return the container; a static pod's uid is a hash and no UUID, so it stands as a label."""
    if who.container is None:
        return None
    is_uuid = who.pod is not None and _UUID.fullmatch(who.pod) is not None
    return known(
        uid=who.container,
        runtime=who.container_runtime,
        pod_uuid=who.pod if is_uuid else None,
        labels=[f"pod={who.pod}"] if who.pod is not None and not is_uuid else None,
        orchestrator="Kubernetes" if who.pod is not None else None,
    )


def actor(who: Actor | None) -> Json:
    """Return an actor; OCSF wants one even where nobody is known."""
    if who is None:
        return {"app_name": "unknown"}
    running = None if who.pid is None else process(who)
    said = known(process=running, user=user(who.auid), session=session(who.session))
    return said or {"app_name": who.exe or "unknown"}


def party(who: Actor | None) -> Json:
    """Return a process that acts or is acted on; OCSF wants an id even where it is not known."""
    said = {} if who is None else process(who)
    return said if "pid" in said else said | {"uid": "unknown"}


def endpoint(end: Endpoint) -> Json:
    """Return an end of a connection."""
    port = end.port if end.port is not None and 0 <= end.port <= _PORT_LIMIT else None
    return known(ip=end.ip, port=port, hostname=end.name)

"""A person who is not root connected to a socket that gives power over the host, such as docker.sock."""

from __future__ import annotations

from evidence.kind import Actor
from evidence.kinds.act import UnixSocket

from ..one_event import finding, program, who
from ..record import Record
from ..rule import Detection, Finding, Parameter, Site, Step, Story

_CLIENTS = Parameter(
    "clients",
    "docker docker-compose dockerd podman crictl ctr nerdctl virsh virt-manager",
    "program names",
    "these connect as their duty, and their own command line says what for",
)


def _find(record: Record, site: Site) -> Finding | None:
    body = record.event.body
    if not isinstance(body, UnixSocket) or body.listed is None or body.actor is None:
        return None
    actor = body.actor
    if actor.auid is None or actor.uid in (None, 0) or not _is_listed(body.path, body.listed):
        return None
    if program(actor) in site.words(DETECTION.id, _CLIENTS):
        return None
    return finding(
        record,
        f"{actor.auid}|{body.listed}",
        f"{who(record, f'login uid {actor.auid}')} connected to {body.listed} on {record.host} "
        f"with {actor.exe or 'an unknown program'}",
        path=body.path,
    )


def _is_listed(path: str, listed: str) -> bool:
    """Return whether path is the listed socket itself: /var/run is /run."""
    return path.removeprefix("/var") == listed.removeprefix("/var")


_CURL = Actor(pid=50, exe="/usr/bin/curl", uid=1000, auid=1000, session=7)
_SOCKET = "/run/docker.sock"


def _step(path: str, actor: Actor) -> tuple[Step, ...]:
    return (Step(0, UnixSocket(path=path, listed=_SOCKET, actor=actor)),)


DETECTION = Detection(
    id="control-socket",
    version=1,
    title="Control socket used by a person",
    severity="medium",
    attack=("T1611", "T1610"),
    kinds=(UnixSocket,),
    find=_find,
    hits=(
        Story("curl speaks to docker.sock", _step(_SOCKET, _CURL)),
        Story("by its old path", _step("/var/run/docker.sock", _CURL)),
    ),
    misses=(
        Story(
            "docker's own client", _step(_SOCKET, Actor(pid=5, exe="/usr/bin/docker", uid=1000, auid=1000))
        ),
        Story("root", _step(_SOCKET, Actor(pid=5, exe="/usr/bin/curl", uid=0, auid=1000))),
        Story("a service", _step(_SOCKET, Actor(pid=5, exe="/usr/bin/cadvisor", uid=998))),
        Story("a socket of the same name elsewhere", _step("/tmp/x/docker.sock", _CURL)),  # noqa: S108 - data
    ),
    parameters=(_CLIENTS,),
)

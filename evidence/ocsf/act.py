"""Acts of processes that matter to security, each in the OCSF class of what it is done to. Pure."""

from __future__ import annotations

from ..kinds import act
from .parties import actor, base_name, party
from .shape import (
    FILE,
    INFORMATIONAL,
    KERNEL,
    KERNEL_EXTENSION,
    LOW,
    MEDIUM,
    MODULE,
    NETWORK,
    OTHER,
    PROCESS,
    Json,
    Shape,
    Shapes,
    known,
)

_SYSTEM_CALL = 2
_FOLDER = 2
_LOCAL = 4
_MOUNT_ACTIVITIES = {"mount": 12, "umount": 13, "move": 12, "pivot": 12}
_MODULE_ACTIVITIES = {"load": 1, "unload": 2, "request": OTHER}
_INJECTIONS = frozenset({"attach", "seize", "write"})


def _done(body: act.Act, activity: int, attributes: Json, severity: int) -> Shape:
    """Shape an act of a process; each has actor and done."""
    who = {"actor": actor(body.actor), "status_id": 1 if body.done else 0}
    return Shape(activity, attributes | who, severity)


def _credentials(body: act.Credentials) -> Shape:
    said = party(body.actor) | known(euid=body.euid)
    gained = ", ".join(body.gained) or "nothing else"
    detail = f"effective user {body.former_euid} became {body.euid}; gained {gained}"
    return _done(body, 5, {"process": said, "status_detail": detail}, MEDIUM)


def _ptrace(body: act.Ptrace) -> Shape:
    return _done(body, 4 if body.request in _INJECTIONS else 3, {"process": party(body.tracee)}, MEDIUM)


def _ring(body: act.Ring) -> Shape:
    return _done(body, OTHER, {"process": party(body.actor)}, INFORMATIONAL)


def _module(body: act.Module) -> Shape:
    name = body.name or "unknown"
    driver = {"driver": {"file": {"name": name, "path": name, "type_id": 1}}}
    return _done(body, _MODULE_ACTIVITIES[body.action], driver, MEDIUM)


def _program(body: act.Program) -> Shape:
    loaded = known(type=body.type, load_type="bpf", load_type_id=OTHER, function_name=body.name)
    return _done(body, 1, {"module": loaded}, LOW)


def _mount(body: act.Mount) -> Shape:
    path = body.path or "unknown"
    folder = {"file": {"name": base_name(path), "path": path, "type_id": _FOLDER}}
    return _done(body, _MOUNT_ACTIVITIES[body.action], folder, INFORMATIONAL)


def _enter(body: act.Enter) -> Shape:
    name = " ".join(body.namespaces) or "namespace"
    part = known(name=name, type_id=_SYSTEM_CALL, system_call=body.call)
    return _done(body, 4, {"kernel": part}, INFORMATIONAL)


def _unix_socket(body: act.UnixSocket) -> Shape:
    attributes = {
        "dst_endpoint": {"name": body.path},
        "connection_info": {"direction_id": _LOCAL, "protocol_name": "unix"},
    }
    return _done(body, 1, attributes, LOW)


SHAPES: Shapes = {
    act.Credentials: (PROCESS, _credentials),
    act.Ptrace: (PROCESS, _ptrace),
    act.Ring: (PROCESS, _ring),
    act.Module: (KERNEL_EXTENSION, _module),
    act.Program: (MODULE, _program),
    act.Mount: (FILE, _mount),
    act.Enter: (KERNEL, _enter),
    act.UnixSocket: (NETWORK, _unix_socket),
}

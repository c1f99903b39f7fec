"""The attributes of OCSF's classes that security-relevant acts give. Pure."""

from __future__ import annotations

from typing import Any

from .kinds import act

Json = dict[str, Any]

_SYSTEM_CALL = 2
_OTHER_LOAD = 99
_FOLDER = 2
_LOCAL = 4
MOUNT_ACTIVITIES = {"mount": 12, "umount": 13, "move": 12, "pivot": 12}
"""OCSF's activities of the file system, by what was done."""


def module(body: act.Module) -> Json:
    """Return the driver that a kernel module is to OCSF."""
    name = body.name or "unknown"
    return {"driver": {"file": {"name": name, "path": name, "type_id": 1}}}


def program(body: act.Program) -> Json:
    """Return the module that an eBPF program is to OCSF."""
    loaded: Json = {"type": body.type, "load_type": "bpf", "load_type_id": _OTHER_LOAD}
    if body.name is not None:
        loaded["function_name"] = body.name
    return {"module": loaded}


def mount(body: act.Mount) -> Json:
    """Return the folder that was mounted on."""
    path = body.path or "unknown"
    return {"file": {"name": path.rstrip("/").rsplit("/", 1)[-1] or path, "path": path, "type_id": _FOLDER}}


def namespace(body: act.Enter) -> Json:
    """Return the part of the kernel that was asked for other namespaces."""
    part: Json = {"name": " ".join(body.namespaces) or "namespace", "type_id": _SYSTEM_CALL}
    if body.call is not None:
        part["system_call"] = body.call
    return {"kernel": part}


def unix_socket(body: act.UnixSocket) -> Json:
    """Return the far end of a connection to a socket of the file system."""
    return {
        "dst_endpoint": {"name": body.path},
        "connection_info": {"direction_id": _LOCAL, "protocol_name": "unix"},
    }

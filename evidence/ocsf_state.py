"""The attributes of OCSF's discovery classes that inventory and changes of state give. Pure."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from .kinds import state

Json = dict[str, Any]

_LINUX = 200
_MAC = re.compile(r"[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}")
_STATES = {"appeared": 2, "changed": 99, "gone": 1}
"""OCSF's state of a setting: 1 disabled, 2 enabled, 99 other."""


def device(body: state.Host) -> Json:
    """Return what an inventory adds to an event's device."""
    os_name = {"name": body.os or "Linux", "type_id": _LINUX}
    if body.kernel is not None:
        os_name["kernel_release"] = body.kernel
    said: Json = {"os": os_name, "network_interfaces": _interfaces(body)}
    if body.boot is not None:
        said["boot_uid"] = body.boot
    if body.instance_id is not None:
        said["instance_uid"] = body.instance_id
    return said


def change(body: state.Changed) -> Json:
    """Return the attributes of a change: the state is OCSF's, the detail names lines and fields."""
    parts = (("added", body.added), ("removed", body.removed), ("changed", body.changed))
    detail = "; ".join(f"{name}: {', '.join(lines)}" for name, lines in parts if lines)
    return {
        "state_id": _STATES[body.change],
        "state": f"{body.source} {body.subject} {body.change}",
        "status_detail": detail or body.change,
    }


def sbom(body: state.Packages) -> Json:
    """Return a list of packages as OCSF's software bill of materials."""
    return {
        "package": {"name": body.manager, "version": body.packages_sha256},
        "software_components": [
            {"name": name, "version": version} for name, version in body.packages.items()
        ],
    }


def _interfaces(body: state.Host) -> list[Json]:
    """Return one interface for each address; one without addresses has a name all the same."""
    found: list[Json] = []
    for interface in body.interfaces:
        said: Json = {"name": interface.name}
        if interface.mac is not None and _MAC.fullmatch(interface.mac):
            said["mac"] = interface.mac
        addresses = [end for text in interface.addresses if (end := _address(text)) is not None]
        found += [said | end for end in addresses] or [said]
    return found


def _address(text: str) -> Json | None:
    """Return address and prefix of ``10.0.0.5/24``, None where it is none."""
    try:
        read = ipaddress.ip_interface(text)
    except ValueError:
        return None
    return {"ip": str(read.ip).partition("%")[0], "subnet_prefix": read.network.prefixlen}

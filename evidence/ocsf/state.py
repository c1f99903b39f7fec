"""What a host is and what changed of it: OCSF's inventory and configuration classes. Pure."""

from __future__ import annotations

import ipaddress
import re

from ..kinds import state
from .parties import actor
from .shape import CONFIG_CHANGE, DEVICE_INVENTORY, LOW, SOFTWARE_INVENTORY, Json, Shape, Shapes

_LINUX = 200
_MAC = re.compile(r"[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}")
_STATES = {"appeared": 2, "changed": 99, "gone": 1}
"""OCSF's state of a setting: 1 disabled, 2 enabled, 99 other."""


def _inventory(body: state.Host) -> Shape:
    """Say what an inventory adds to an event's device."""
    os_name = {"name": body.os or "Linux", "type_id": _LINUX}
    if body.kernel is not None:
        os_name["kernel_release"] = body.kernel
    said: Json = {"os": os_name, "network_interfaces": _interfaces(body)}
    if body.boot is not None:
        said["boot_uid"] = body.boot
    if body.instance_id is not None:
        said["instance_uid"] = body.instance_id
    return Shape(2, {"device": said})


def _changed(body: state.Changed) -> Shape:
    """Give OCSF's state, and a detail that names lines and fields."""
    parts = (("added", body.added), ("removed", body.removed), ("changed", body.changed))
    detail = "; ".join(f"{name}: {', '.join(lines)}" for name, lines in parts if lines)
    attributes = {
        "state_id": _STATES[body.change],
        "state": f"{body.source} {body.subject} {body.change}",
        "status_detail": detail or body.change,
        "actor": actor(body.actor),
    }
    return Shape(1, attributes, LOW)


def _packages(body: state.Packages) -> Shape:
    """Give a list of packages as OCSF's software bill of materials."""
    parts = [{"name": name, "version": version} for name, version in body.packages.items()]
    whole = {"name": body.manager, "version": body.packages_sha256}
    return Shape(2, {"sbom": {"package": whole, "software_components": parts}})


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


SHAPES: Shapes = {
    state.Changed: (CONFIG_CHANGE, _changed),
    state.Host: (DEVICE_INVENTORY, _inventory),
    state.Packages: (SOFTWARE_INVENTORY, _packages),
}

"""What an event becomes in OCSF: a class, an activity of it, and the attributes that its body gives. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ..kind import Body

Json = dict[str, Any]

BASE, FILE, PROCESS = 0, 1001, 1007
KERNEL_EXTENSION, KERNEL, MODULE = 1002, 1003, 1005
AUTHENTICATION, NETWORK, DNS, APPLICATION, API = 3002, 4001, 4003, 6002, 6003
DEVICE_INVENTORY, CONFIG_CHANGE, SOFTWARE_INVENTORY = 5001, 5019, 5020
INFORMATIONAL, LOW, MEDIUM, HIGH = 1, 2, 3, 4
OTHER = 99
"""OCSF's id of what its enumerations have no name for."""

MS = 1_000_000
"""Nanoseconds of OCSF's unit of time."""


class Shape(msgspec.Struct, frozen=True):
    """An activity, the attributes that the body gives, and how severe it is."""

    activity_id: int
    attributes: Json
    severity_id: int = INFORMATIONAL


Shapes = Mapping[type[Body], tuple[int, Callable[[Any], Shape]]]
"""Of each kind: its OCSF class, and what makes the shape of a body."""


def known(**attributes: Any) -> Json:
    """Return the attributes that are not None."""
    return {name: value for name, value in attributes.items() if value is not None}

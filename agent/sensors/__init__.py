"""Every sensor: a module here sets SENSOR to a Sensor, and is found by being here."""

from __future__ import annotations

import importlib

from evidence import found_modules

from ..sensor import Sensor


def all_sensors() -> tuple[Sensor, ...]:
    """Return the sensors of this folder, by name.

    Raises:
        TypeError: a module's SENSOR is missing, is no Sensor, or has the name of another.
    """
    found: dict[str, Sensor] = {}
    for module in found_modules.names(__path__):
        sensor = getattr(importlib.import_module(f"{__name__}.{module}"), "SENSOR", None)
        if not isinstance(sensor, Sensor):
            raise TypeError(f"agent/sensors/{module}.py: SENSOR is {sensor!r}, not a Sensor")
        if sensor.name in found:
            raise TypeError(f"agent/sensors/{module}.py: a sensor named {sensor.name} exists already")
        found[sensor.name] = sensor
    return tuple(found[name] for name in sorted(found))

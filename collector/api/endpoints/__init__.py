"""Every endpoint: a module here sets ENDPOINTS, a tuple of Endpoint, and is found by being here."""

from __future__ import annotations

import importlib

from evidence import found_modules

from ..endpoint import Endpoint


def load() -> tuple[Endpoint, ...]:
    """Return all endpoints, by path.

    Raises:
        TypeError: a module's ENDPOINTS holds something else.
    """
    found: list[Endpoint] = []
    for module in found_modules.names(__path__):
        for endpoint in importlib.import_module(f"{__name__}.{module}").ENDPOINTS:
            if not isinstance(endpoint, Endpoint):
                raise TypeError(f"collector/api/endpoints/{module}.py: {endpoint!r} is no Endpoint")
            found.append(endpoint)
    return tuple(sorted(found, key=lambda one: (one.path, one.method)))

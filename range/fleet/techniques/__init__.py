"""The ways in which insiders take data: a module here sets TECHNIQUE, and is found by being here."""

from __future__ import annotations

import importlib
import pkgutil

from ..technique import Technique


def load() -> tuple[Technique, ...]:
    """Return all techniques, in the order of their modules' names.

    Raises:
        TypeError: a module has no technique.
    """
    found = []
    for module in pkgutil.iter_modules(__path__):
        one = getattr(importlib.import_module(f"{__name__}.{module.name}"), "TECHNIQUE", None)
        if not isinstance(one, Technique):
            raise TypeError(f"range/fleet/techniques/{module.name}.py sets no TECHNIQUE")
        found.append(one)
    return tuple(found)

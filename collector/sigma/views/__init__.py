"""Every view of our events in Sigma's words: a module here sets VIEWS, and is found by being here. Pure."""

from __future__ import annotations

import importlib

from evidence import found_modules

from ..view import View


def _scan() -> tuple[View, ...]:
    found: list[View] = []
    for module in found_modules.names(__path__):
        for view in importlib.import_module(f"{__name__}.{module}").VIEWS:
            if not isinstance(view, View):
                raise TypeError(f"collector/sigma/views/{module}.py: {view!r} in VIEWS is no View")
            found.append(view)
    return tuple(found)


ALL: tuple[View, ...] = _scan()

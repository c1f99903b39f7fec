"""Every event kind: a module here sets KINDS, a tuple of Body classes, and is found by being here."""

from __future__ import annotations

import importlib

from .. import found_modules
from ..kind import Body, kind_of


def _scan() -> dict[str, type[Body]]:
    found: dict[str, type[Body]] = {}
    for module in found_modules.names(__path__):
        for body in importlib.import_module(f"{__name__}.{module}").KINDS:
            if not (isinstance(body, type) and issubclass(body, Body)):
                raise TypeError(f"evidence/kinds/{module}.py: {body!r} in KINDS is no Body")
            if found.setdefault(kind_of(body), body) is not body:
                raise TypeError(f"evidence/kinds/{module}.py: kind {kind_of(body)} is defined twice")
    return dict(sorted(found.items()))


BY_NAME: dict[str, type[Body]] = _scan()

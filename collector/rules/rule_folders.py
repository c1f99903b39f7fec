"""The rules there are: one constant of every module in `detections/` and `correlations/`.

Each function raises TypeError where a module has no such constant, or one of another type.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import TypeVar

from evidence import found_modules

from .. import correlations as correlation_modules
from .. import detections as detection_modules
from .. import risk
from ..alerts import telling
from ..rule import Correlation, Detection, Rule

T = TypeVar("T")


def _load(package: ModuleType, constant: str, shape: type[T]) -> list[T]:
    """Return the constant of every module in package, in order of names."""
    found: list[T] = []
    for module in found_modules.names(package.__path__):
        rule = getattr(importlib.import_module(f"{package.__name__}.{module}"), constant, None)
        if not isinstance(rule, shape):
            raise TypeError(f"{package.__name__}.{module}: {constant} is not a {shape.__name__}")
        found.append(rule)
    return found


def detections() -> list[Detection]:
    """Return the rules that judge single events."""
    return _load(detection_modules, "DETECTION", Detection)


def correlations() -> list[Correlation]:
    """Return the rules that fold over events."""
    return _load(correlation_modules, "CORRELATION", Correlation)


def judging(site: Sequence[Detection] = ()) -> list[Rule]:
    """Return the rules that are shown events or chains, by id; site are the site's own."""
    return sorted([*detections(), *correlations(), *site], key=lambda rule: rule.id)


def tunable(site: Sequence[Detection] = ()) -> list[Rule]:
    """Return all that may be tuned, by id: the rules, the site's too, risk, and the throttle."""
    return sorted([*judging(site), risk.RULE, telling.RULE], key=lambda rule: rule.id)

"""Container and unit of an exec, from its cgroup."""

from __future__ import annotations

import functools

import msgspec

from evidence.kind import Body
from evidence.kinds.process import Exec

from .. import cgroup
from ..enrich import Enrichment, Surroundings

_place = functools.lru_cache(maxsize=1024)(cgroup.place)


def _apply(body: Body, _around: Surroundings) -> Body:
    if not isinstance(body, Exec) or body.cgroup is None:
        return body
    found = _place(body.cgroup)
    container, unit = body.container or found.container, body.unit or found.unit
    if (container, unit) == (body.container, body.unit):
        return body
    return msgspec.structs.replace(body, container=container, unit=unit)


ENRICHMENT = Enrichment("container", 10, _apply, Exec)

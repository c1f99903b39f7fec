"""Container, pod and unit of an exec, from its cgroup."""

from __future__ import annotations

import functools

from evidence.kind import Body
from evidence.kinds.process import Exec

from .. import cgroup
from ..enrich import Changes, Enrichment, Surroundings


def _apply(body: Body, changes: Changes, _around: Surroundings) -> None:
    if not isinstance(body, Exec) or body.cgroup is None:
        return
    found = _of(body.cgroup)
    if body.container is None and body.unit is None:
        changes |= found
    elif body.container is None:
        changes |= {**found, "unit": body.unit}
    elif body.unit is None and "unit" in found:
        changes["unit"] = found["unit"]


@functools.lru_cache(maxsize=1024)
def _of(path: str) -> Changes:
    """Return what a cgroup's path tells; what it does not is left out."""
    place = cgroup.place(path)
    fields = {
        "container": place.container,
        "container_runtime": place.runtime,
        "pod": place.pod,
        "unit": place.unit,
    }
    return {name: value for name, value in fields.items() if value is not None}


ENRICHMENT = Enrichment("container", 10, _apply, lambda kind: kind is Exec)

"""Container, pod and unit of an exec, from its cgroup."""

from __future__ import annotations

import msgspec

from evidence.kind import Body
from evidence.kinds.process import Exec

from .. import cgroup
from ..enrich import Enrichment, Surroundings


def _apply(body: Body, _around: Surroundings) -> Body:
    if not isinstance(body, Exec) or body.cgroup is None:
        return body
    found = cgroup.place(body.cgroup)
    unit = body.unit or found.unit
    if body.container is not None or found.container is None:
        return body if unit == body.unit else msgspec.structs.replace(body, unit=unit)
    return msgspec.structs.replace(
        body, container=found.container, container_runtime=found.runtime, pod=found.pod, unit=unit
    )


ENRICHMENT = Enrichment("container", 10, _apply, Exec)

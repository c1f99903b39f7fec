"""Account names of an exec: of the login it belongs to, and outside containers of the user it runs as."""

from __future__ import annotations

from evidence.kind import Body
from evidence.kinds.process import Exec

from ..enrich import Changes, Enrichment, Surroundings


def _apply(body: Body, changes: Changes, around: Surroundings) -> None:
    if not isinstance(body, Exec):
        return
    contained = body.container is not None or "container" in changes  # a container has accounts of its own
    if body.user is None and body.uid is not None and not contained:
        user = around.account(body.uid)
        if user is not None:
            changes["user"] = user
    if body.login is None and body.auid is not None:
        login = around.account(body.auid)
        if login is not None:
            changes["login"] = login


ENRICHMENT = Enrichment("names", 20, _apply, lambda kind: kind is Exec)

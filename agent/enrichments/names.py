"""Account names of an exec: of the login it belongs to, and outside containers of the user it runs as."""

from __future__ import annotations

import msgspec

from evidence.kind import Body
from evidence.kinds.process import Exec

from ..enrich import Enrichment, Surroundings


def _apply(body: Body, around: Surroundings) -> Body:
    if not isinstance(body, Exec) or (body.user is not None and body.login is not None):
        return body
    foreign = body.uid is None or body.container is not None  # a container has accounts of its own
    user = body.user if foreign else body.user or around.account(body.uid or 0)
    login = body.login if body.auid is None else body.login or around.account(body.auid)
    if (user, login) == (body.user, body.login):
        return body
    return msgspec.structs.replace(body, user=user, login=login)


ENRICHMENT = Enrichment("names", 20, _apply, Exec)

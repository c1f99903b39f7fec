"""The contract of an endpoint: what it takes, who may, what is recorded, and a function that answers.

A module in `endpoints/` sets ENDPOINTS. Its functions run in a thread of their own and may block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import duckdb
import msgspec

from evidence.kind import Endpoint as Address

from ..questions import fetch
from ..questions.queries import Places, Query
from ..users import Role, User
from .parameter import Parameter
from .services import Services


@dataclass(frozen=True)
class Stream:
    """An answer that is sent while it is made."""

    media: str
    filename: str
    chunks: Iterator[bytes]


@dataclass(frozen=True)
class Call:
    """One request, read: who asks from where, for what. user is None on endpoints without a login."""

    services: Services
    user: User | None
    source: Address | None
    values: dict[str, Any]
    body: Any = None
    token: str | None = None

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Open the newest snapshot; raises as `fetch.connect`."""
        return fetch.connect(self.services.snapshot, self.services.console.query_memory_bytes)

    def rows(self, connection: duckdb.DuckDBPyConnection, query: Query) -> list[fetch.Row]:
        """Return a query's rows within the time a query may take."""
        return fetch.rows(connection, query, self.services.console.query_seconds)

    def events(self, connection: duckdb.DuckDBPyConnection, places: Places) -> list[fetch.Row]:
        """Return the events found there, each of both steps within the time a query may take."""
        return fetch.events(connection, places, self.services.console.query_seconds)


class Rows(msgspec.Struct, frozen=True):
    """Events or alerts; truncated says that there are more than were asked for."""

    rows: list[dict[str, Any]]
    truncated: bool = False
    cursor: str | None = None


@dataclass(frozen=True)
class Endpoint:
    """One method of one path. verb is what the ledger records and the name in the OpenAPI document.

    role None needs no login. record is False where the handler records its own act. object names the
    parameter that says what was acted on. With wait, an answer without rows is asked for again until the
    seconds of the parameter ``wait`` are over.
    """

    method: Literal["GET", "POST"]
    path: str
    verb: str
    summary: str
    role: Role | None
    handle: Callable[[Call], msgspec.Struct | Stream]
    answer: type[msgspec.Struct] | tuple[str, ...]
    parameters: tuple[Parameter, ...] = ()
    body: type[msgspec.Struct] | None = None
    object: str | None = None
    record: bool = True
    wait: bool = False

"""Why the API refuses: an HTTP status, a code, a message, and the field at fault."""

from __future__ import annotations

import msgspec

from ..errors import CollectorError, NotSetUp, QueryError, Refused, StoreError


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The JSON body of every refusal; field names the parameter at fault, retry_after is seconds."""

    code: str
    message: str
    field: str | None = None
    retry_after: int | None = None


class ApiError(CollectorError):
    """A request is refused with this status and problem."""

    def __init__(
        self, status: int, code: str, message: str, field: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.problem = Problem(code, message, field, retry_after)


def of(error: CollectorError) -> ApiError:
    """Return what a caller is told of an error: how the collector stores and where stays in its log."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, QueryError):
        return ApiError(400, "bad_query", str(error))
    if isinstance(error, Refused):
        return ApiError(503, str(error.code), str(error), retry_after=5)
    if isinstance(error, StoreError | NotSetUp):
        return ApiError(503, "no_store", str(error), retry_after=5)
    return ApiError(503, "fault", str(error), retry_after=5)

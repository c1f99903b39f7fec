"""The exceptions of this package.

ClientError
├── NotLoggedIn         there is no login, or the collector no longer accepts it
├── Unreachable         the collector cannot be reached, or is not the one that was pinned
└── Refusal             the collector refused; carries its code and the field at fault
"""

from __future__ import annotations


class ClientError(Exception):
    """Something the user can act on; the message says what, where and what to type next."""


class NotLoggedIn(ClientError):
    """There is no login, or the collector no longer accepts it."""


class Unreachable(ClientError):
    """The collector cannot be reached, or its certificate is not from the pinned CA."""


class Refusal(ClientError):
    """The collector refused a request. retry_after is seconds, where asking again can help."""

    def __init__(
        self, code: str, message: str, field: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.field = field
        self.retry_after = retry_after

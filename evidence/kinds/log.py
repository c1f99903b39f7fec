"""Lines of log files that an operator has followed."""

from __future__ import annotations

from ..kind import Body


class Message(Body, frozen=True, kw_only=True, tag="log.message"):
    """One line of a log file, redacted. text is the message behind the header, program and pid the header's.

    Of a line without a syslog header text is the whole line. path is the file as configured. cut: there was
    more of the line than is kept.
    """

    path: str
    text: str
    program: str | None = None
    pid: int | None = None
    cut: bool = False


KINDS = (Message,)

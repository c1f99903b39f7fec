"""The connection to the ingest listener: mutual TLS kept open, reloaded when its files change."""

from __future__ import annotations

import email.utils
import time
from contextlib import suppress
from pathlib import Path

from evidence import endpoints

from ..layout import Layout
from ..settings import Collector
from . import delivery
from .delivery import Reply
from .tls import Answer, Connection, context

_BATCH_TYPE = "application/vnd.vedette.batch"


class Channel:
    """Posts to one address. Every failure is a Reply; nothing is raised."""

    def __init__(self, layout: Layout, collector: Collector) -> None:
        """Take where certificate and bundle lie; nothing is opened before the first post."""
        self._certificate, self._ca = layout.certificate, layout.ca
        self._base = collector.ingest.rstrip("/")
        self._timeout = collector.timeout
        self._connection: Connection | None = None
        self._stamp: tuple[int, int] | None = None

    def __call__(self, body: bytes, known: int) -> Reply:
        """Post a batch; known is the size the receipt shall prove consistency from."""
        headers = {endpoints.KNOWN_SIZE: str(known), "Content-Type": _BATCH_TYPE}
        return self.post(endpoints.BATCHES, body, headers)

    def post(self, path: str, body: bytes, headers: dict[str, str]) -> Reply:
        """Post body to path of the ingest listener."""
        try:
            return _reply(self._open().ask("POST", path, body, headers))
        except (OSError, ValueError) as error:
            self.close()
            return Reply(None, problem=f"{self._base}: {_cause(error)}")

    def get(self, path: str, headers: dict[str, str]) -> Reply:
        """Ask for path of the ingest listener."""
        try:
            return _reply(self._open().ask("GET", path, None, headers))
        except (OSError, ValueError) as error:
            self.close()
            return Reply(None, problem=f"{self._base}: {_cause(error)}")

    def keep_open(self) -> None:
        """Make the connection anew if it ended; if that fails, the next call tries again."""
        if self._connection is not None:
            with suppress(OSError):
                self._connection.keep_open()

    def filenos(self) -> tuple[int, ...]:
        """Return what becomes readable when the collector ends the connection."""
        descriptor = None if self._connection is None else self._connection.fileno()
        return () if descriptor is None else (descriptor,)

    def close(self) -> None:
        """Close the connection; the next post opens one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> Connection:
        """Return the connection, a new one after a renewal or a new bundle: no restart is needed."""
        stamp = (_changed(self._certificate), _changed(self._ca))
        if self._connection is None or stamp != self._stamp:
            self.close()
            made = context(self._ca.read_text(), self._certificate)
            self._connection, self._stamp = Connection(self._base, made, self._timeout), stamp
        return self._connection


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns


def _reply(answer: Answer) -> Reply:
    return Reply(
        status=answer.status,
        body=answer.body,
        retry_after=delivery.retry_after(answer.headers.get("retry-after")),
        clock_offset=_offset(answer.headers.get("date")),
    )


def _offset(date: str | None) -> int | None:
    """Return the server's clock less ours in ns, as well as a Date header's whole seconds can tell."""
    try:
        server = email.utils.parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return None
    return int(server * 1e9) + 500_000_000 - time.time_ns()


def _cause(error: Exception) -> str:
    """Return the innermost reason, without the layers that wrap it."""
    inner: BaseException = error
    while (deeper := inner.__cause__ or inner.__context__) is not None:
        inner = deeper
    return f"{inner}"[:300] or type(error).__name__

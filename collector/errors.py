"""The exceptions of this package.

CollectorError
├── SettingsError       the configuration is wrong; names file, line and field
├── NotSetUp            keys, certificates or state are missing: run `vedette-collector setup`
├── LedgerError         the ledger is damaged, shorter than its last signed checkpoint, or in use
│   └── LedgerFull      its disk is full; nothing was appended, and asking again can help
├── BackupError         a backup is damaged, or cannot be made or restored here
├── StateError          state.db cannot be read or written
├── Denied              an enrolment, renewal or login is refused; the reason is for the admin's log only
├── Refused             a request is refused; carries the code of docs/wire.md
├── StoreError          the lake or its catalog cannot be read or written
│   └── StoreGone       the process that stores has ended
└── QueryError          an analyst's query is wrong, forbidden, or took too long
"""

from __future__ import annotations

from evidence.refusal import Code


class CollectorError(Exception):
    """Something an operator can act on; the message says what, where and what to do."""


class SettingsError(CollectorError):
    """The configuration is wrong; the message names file, line and field."""


class NotSetUp(CollectorError):
    """Keys, certificates or state are missing."""


class LedgerError(CollectorError):
    """The ledger is damaged, shorter than its last signed checkpoint, or in use."""


class LedgerFull(LedgerError):
    """The ledger's disk is full; nothing was appended."""


class BackupError(CollectorError):
    """A backup is damaged, or cannot be made or restored here."""


class StateError(CollectorError):
    """state.db cannot be read or written."""


class Denied(CollectorError):
    """An enrolment, renewal or login is refused. The message is for the admin's log, never for the client."""


class Refused(CollectorError):
    """A request is refused. retry_after is seconds, where asking again can help."""

    def __init__(self, code: Code, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after


class StoreError(CollectorError):
    """The lake or its catalog cannot be read or written."""


class StoreGone(StoreError):
    """The process that stores has ended; trying again cannot help, a new start resumes."""


class QueryError(CollectorError):
    """An analyst's query is wrong, forbidden, or took too long."""

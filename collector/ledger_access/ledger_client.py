"""The ledger for the console and for commands: through its owner's socket, or opened here while none runs."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from typing import Protocol

from evidence.entry import EntryType
from evidence.errors import CodecError
from evidence.kinds.collector import Act
from evidence.receipt import Receipt

from .. import paths, serving
from ..clock import SystemClock
from ..errors import LedgerError
from ..paths import Paths
from ..settings import Settings
from . import ledger_call, log_name
from .keeper import Keeper
from .ledger_call import HEADER, Answer, Call, Done, Failed, Note

_TIMEOUT_SECONDS = 30.0
_START_SECONDS, _RETRY_SECONDS = 15.0, 0.1


class LedgerAccess(Protocol):
    """What others may do to the ledger. Every call returns once it is durable, or raises: it fails closed."""

    def append(self, kind: EntryType, payload: bytes) -> Receipt:
        """Append an entry that holds no statement; its bytes are ``entry.encode(kind, payload)``.

        Raises:
            CodecError: the payload is not what such an entry holds.
            LedgerError: it is not known to be durable.
        """
        ...

    def record(self, act: Act) -> Receipt:
        """Seal act with the collector's own key and append it.

        Raises:
            LedgerError: it is not known to be durable.
            EvidenceError: the act does not fit into a batch.
        """
        ...

    def checkpoint(self) -> bytes:
        """Return the newest signed checkpoint."""
        ...

    def close(self) -> None:
        """Give up the connection, or the ledger."""
        ...


def connect(settings: Settings) -> LedgerAccess:
    """Return the ledger: over the socket where a server runs, else opened under its lock.

    A server that is just starting, or starting its ledger's owner again, is waited for.

    Raises:
        LedgerError: it is damaged, or in use by a process that does not answer.
        NotSetUp: the keys are missing.
    """
    places = paths.of(settings)
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            return RemoteLedger(places)
        except OSError:
            if not serving.is_served(places) or time.monotonic() > end:
                return Keeper(places, log_name.read(places, settings).origin, SystemClock())
        time.sleep(_RETRY_SECONDS)


class RemoteLedger:
    """The ledger through the socket of the process that owns it. For use by several threads.

    The connection is made anew when the owner was restarted; a call that was under way then fails.
    """

    def __init__(self, places: Paths) -> None:
        """Connect.

        Raises:
            OSError: nobody serves there.
        """
        self._paths = places
        self._one_call = threading.Lock()
        self._socket: socket.socket | None = _connect(places)

    def append(self, kind: EntryType, payload: bytes) -> Receipt:
        """As `LedgerAccess`."""
        return _receipt(self._call(ledger_call.Append(kind, payload)))

    def record(self, act: Act) -> Receipt:
        """As `LedgerAccess`."""
        return _receipt(self._call(ledger_call.Record(act)))

    def checkpoint(self) -> bytes:
        """As `LedgerAccess`."""
        answer = self._call(ledger_call.Checkpoint())
        if not isinstance(answer, Note):
            raise LedgerError(f"{self._paths.ledger_socket}: an unexpected answer")
        return answer.note

    def close(self) -> None:
        """Close the connection."""
        with self._one_call:
            self._drop()

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _call(self, call: Call) -> Answer:
        message = ledger_call.frame(call)
        with self._one_call:
            try:
                if self._socket is None or _is_closed(self._socket):
                    self._drop()
                    self._socket = _connect(self._paths)
                self._socket.sendall(message)
                answer = ledger_call.read_answer(_read_frame(self._socket))
            except (OSError, CodecError) as error:
                self._drop()
                raise LedgerError(
                    f"{self._paths.ledger_socket}: {error}; is `vedette-collector serve` running?"
                ) from error
        if isinstance(answer, Failed):
            raise (CodecError if answer.invalid else LedgerError)(answer.message)
        return answer


def _connect(places: Paths) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    made.settimeout(_TIMEOUT_SECONDS)
    try:
        folder = os.open(places.run, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            made.connect(f"/proc/self/fd/{folder}/{places.ledger_socket.name}")
        finally:
            os.close(folder)
    except OSError:
        made.close()
        raise
    return made


def _is_closed(connection: socket.socket) -> bool:
    """Tell whether the other side hung up since the last call: between calls it has nothing to say."""
    readable, _, _ = select.select([connection], [], [], 0)
    return bool(readable)


def _read_frame(connection: socket.socket) -> bytes:
    (length,) = HEADER.unpack(_read(connection, HEADER.size))
    ledger_call.check_length(length)
    return _read(connection, length)


def _read(connection: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(size - len(parts))
        if not part:
            raise ConnectionError("the ledger's owner hung up")
        parts += part
    return bytes(parts)


def _receipt(answer: Answer) -> Receipt:
    if not isinstance(answer, Done):
        raise LedgerError("ledger socket: an unexpected answer")
    return answer.receipt

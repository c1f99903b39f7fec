"""The lake in a process of its own, so that storing takes no time from the one thread that folds.

The process is forked, owns the lake, and is killed with its parent: whatever breaks off, a commit is whole or
was not. Two sockets join them, one for what is stored, one for merges, which take long. A request is a frame
(8 bytes of length, then msgpack), after that of a commit come the texts of its events; each has one answer.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import threading
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from ..errors import StoreError, StoreGone
from ..rules.rulebook import Book
from . import extract, forked
from .columns import TableName
from .shelf import Commit, Shelf

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Numbers of glibc's malloc.h."""
_KEPT = 256 << 20
"""Bytes: three times what a full commit's texts take."""
_HEADER = 8
_PIECES = 512
"""Texts that are handed to the kernel at once; it takes 1,024."""


class _Position(msgspec.Struct, tag=True):
    pass


class _Stored(msgspec.Struct, tag=True):
    ids: list[str]


class _Commit(msgspec.Struct, tag=True):
    """Arrow tables as IPC streams. lengths are those of the texts that follow the frame, some together."""

    position: int
    tables: dict[TableName, bytes]
    lengths: list[int]


class _Publish(msgspec.Struct, tag=True):
    book: Book
    now: int
    position: int | None


class _Tend(msgspec.Struct, tag=True):
    now: int


class _Close(msgspec.Struct, tag=True):
    pass


_Request = _Position | _Stored | _Commit | _Publish | _Tend | _Close


class _Answer(msgspec.Struct):
    """What was asked for, or why it could not be done."""

    error: str | None = None
    position: int = 0
    alerts: list[tuple[str, int]] = []


_requests = msgspec.msgpack.Decoder(_Request)
_answers = msgspec.msgpack.Decoder(_Answer)
_encoder = msgspec.msgpack.Encoder()


class ShelfProcess:
    """Implements `Shelf`: what it is asked, another process does."""

    def __init__(self, folder: Path, readers: Path) -> None:
        """Have a new process open the lake in folder; readers is the path of the snapshot file.

        To be called before this process has other threads.

        Raises:
            StoreError: it cannot be opened, or is damaged.
        """
        (self._stores, stores), (self._tends, tends) = socket.socketpair(), socket.socketpair()
        self._lock = threading.Lock()

        def be() -> None:
            self._stores.close()  # held open here, they would never end
            self._tends.close()
            _keep_memory()
            _serve(folder, readers, stores, tends)

        self._process = forked.start("vedette-store", be)
        stores.close()
        tends.close()
        try:
            _answer(self._stores)
        except StoreError:
            self.close()
            raise

    def position(self) -> int:
        """Return the index of the first ledger entry that is not stored."""
        return self._ask(_Position()).position

    def stored_alerts(self, ids: Iterable[str]) -> set[tuple[str, int]]:
        """Return id and revision of those of ids that are stored."""
        return set(self._ask(_Stored(list(ids))).alerts)

    def commit(self, commit: Commit) -> None:
        """Store rows and position together; see `Shelf`."""
        tables = {name: _packed(rows) for name, rows in commit.tables.items() if rows.num_rows}
        lengths = [sum(map(len, some)) for some in extract.grouped(commit.texts)]
        self._ask(_Commit(commit.position, tables, lengths), commit.texts)

    def publish(self, book: Book, now: int, position: int | None = None) -> None:
        """Write what readers see; see `Shelf`."""
        self._ask(_Publish(book, now, position))

    def tend(self, now: int) -> None:
        """Merge small files and drop old ones; see `Shelf`."""
        _send(self._tends, _Tend(now))
        _answer(self._tends)

    def close(self) -> None:
        """Have the lake closed, and wait until the process has ended."""
        with contextlib.suppress(StoreError):  # it is gone already
            self._ask(_Close())
        self._stores.close()
        self._tends.close()
        os.waitpid(self._process, 0)

    def _ask(self, request: _Request, texts: Sequence[bytes | bytearray] = ()) -> _Answer:
        with self._lock:
            _send(self._stores, request, texts)
            return _answer(self._stores)


def _packed(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    return bytes(sink.getvalue().to_pybytes())


def _send(to: socket.socket, message: _Request | _Answer, texts: Sequence[bytes | bytearray] = ()) -> None:
    frame = _encoder.encode(message)
    pieces = [len(frame).to_bytes(_HEADER, "big"), frame, *texts]
    try:
        for at in range(0, len(pieces), _PIECES):
            _write(to, pieces[at : at + _PIECES])
    except OSError as error:
        raise _gone() from error


def _write(to: socket.socket, pieces: Sequence[bytes | bytearray]) -> None:
    """Write all pieces; few calls, for each has to wait for the interpreter when it returns."""
    left = sum(map(len, pieces)) - to.sendmsg(pieces)
    if left:  # a signal came between
        to.sendall(b"".join(pieces)[-left:])


def _read(source: socket.socket, length: int) -> bytearray:
    """Return length bytes.

    Raises:
        EOFError: the other end was closed.
    """
    found = bytearray(length)
    with memoryview(found) as view:
        at = 0
        while at < length:
            count = source.recv_into(view[at:], 0, socket.MSG_WAITALL)
            if count == 0:
                raise EOFError
            at += count
    return found


def _frame(source: socket.socket) -> bytearray:
    return _read(source, int.from_bytes(_read(source, _HEADER), "big"))


def _answer(source: socket.socket) -> _Answer:
    try:
        answer = _answers.decode(_frame(source))
    except (OSError, EOFError) as error:
        raise _gone() from error
    if answer.error is not None:
        raise StoreError(answer.error)
    return answer


def _gone() -> StoreGone:
    return StoreGone("the process that stores has ended; a new start resumes where the lake stands")


def _keep_memory() -> None:
    """Have the memory that a commit gave back kept for the next: new pages cost half a µs an event."""
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_THRESHOLD, _KEPT)
    libc.mallopt(_M_TRIM_THRESHOLD, _KEPT)
    pa.set_memory_pool(pa.system_memory_pool())


def _serve(folder: Path, readers: Path, stores: socket.socket, tends: socket.socket) -> None:
    from .local_shelf import LocalShelf  # noqa: PLC0415 - the process that folds has no DuckDB in its memory

    try:
        shelf = LocalShelf(folder, readers)
    except StoreError as error:
        _send(stores, _Answer(str(error)))
        return
    _send(stores, _Answer())
    threading.Thread(target=_tend, args=(shelf, tends), name="merge", daemon=True).start()
    _loop(shelf, stores)


def _tend(shelf: Shelf, tends: socket.socket) -> None:
    try:
        _loop(shelf, tends)
    except BaseException:  # noqa: BLE001 - its parent waits for an answer that does not come
        traceback.print_exc()
    finally:
        os._exit(0)


def _loop(shelf: Shelf, asked: socket.socket) -> None:
    """Answer until the lake is closed, or the parent has ended."""
    while True:
        try:
            request = _requests.decode(_frame(asked))
            texts = (
                [_read(asked, length) for length in request.lengths] if isinstance(request, _Commit) else []
            )
        except (EOFError, OSError):
            return
        try:
            answer = _do(shelf, request, texts)
        except (StoreError, OSError) as error:
            answer = _Answer(str(error))
        _send(asked, answer)
        if isinstance(request, _Close):
            return


def _do(shelf: Shelf, request: _Request, texts: Sequence[bytearray]) -> _Answer:
    match request:
        case _Position():
            return _Answer(position=shelf.position())
        case _Stored(ids):
            return _Answer(alerts=sorted(shelf.stored_alerts(ids)))
        case _Commit(position, packed):
            tables = {name: _unpacked(rows) for name, rows in packed.items()}
            shelf.commit(Commit(tables, position, texts))
        case _Publish(book, now, at):
            shelf.publish(book, now, at)
        case _Tend(now):
            shelf.tend(now)
        case _Close():
            shelf.close()
    return _Answer()


def _unpacked(rows: bytes) -> Any:
    return pa.ipc.open_stream(rows).read_all()

"""Serves the ledger's owner to the collector's other processes, over an AF_UNIX socket of mode 0600."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct

from evidence.errors import CodecError, EvidenceError
from evidence.refusal import Code

from ..errors import CollectorError, Refused
from ..ledger_access import ledger_call
from ..ledger_access.keeper import Keeper
from ..ledger_access.ledger_call import HEADER, Answer, Call, Done, Failed, Note
from ..paths import Paths
from .intake import Intake

_BACKLOG = 64
_log = logging.getLogger("vedette.ledger")


def bind(paths: Paths) -> socket.socket:
    """Return the listening socket. The caller holds the ledger's lock, so a socket that is there is dead.

    The folder is opened first, since a socket's name is at most 107 bytes and a state folder's may be longer.
    """
    paths.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    paths.ledger_socket.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    folder = os.open(paths.run, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        mask = os.umask(0o177)
        try:
            listening.bind(f"/proc/self/fd/{folder}/{paths.ledger_socket.name}")
        finally:
            os.umask(mask)
    finally:
        os.close(folder)
    listening.listen(_BACKLOG)
    listening.setblocking(False)  # noqa: FBT003 - the name of the method says what it is
    return listening


class LedgerServer:
    """Answers calls, one after another on each connection."""

    def __init__(self, intake: Intake, keeper: Keeper) -> None:
        self._intake = intake
        self._keeper = keeper

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until the other side closes it; only this user and root may call."""
        try:
            if not _is_ours(writer.get_extra_info("socket")):
                return
            while True:
                (length,) = HEADER.unpack(await reader.readexactly(HEADER.size))
                ledger_call.check_length(length)
                answer = await self._answer(await reader.readexactly(length))
                writer.write(ledger_call.frame(answer))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except CodecError as error:
            _log.warning("%s", error)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, raw: bytes) -> Answer:
        try:
            return await self._do(ledger_call.read_call(raw))
        except Refused as refused:
            return Failed(refused.code, str(refused))
        except EvidenceError as error:
            return Failed(Code.BAD_REQUEST, str(error), invalid=True)
        except CollectorError as error:
            return Failed(Code.FAULT, str(error))

    async def _do(self, call: Call) -> Answer:
        match call:
            case ledger_call.Append(kind, payload):
                return Done(await self._intake.append(kind, payload))
            case ledger_call.Record(act):
                return Done(await self._intake.record(act))
            case ledger_call.Checkpoint():
                return Note(self._keeper.checkpoint())


def _is_ours(peer: socket.socket) -> bool:
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return struct.unpack("3i", credentials)[1] in (0, os.geteuid())

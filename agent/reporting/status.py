"""What watch tells of itself to `status`: a small file in the runtime folder, replaced as a whole."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from evidence.kinds.agent import SensorHealth
from evidence.kinds.policy import Cause

from ..errors import AgentError
from ..sealing.sealer import SpoolState

FILE = "status.json"
STALE = 30
"""Seconds after which a status is not believed any more."""
_LIMIT = 1 << 20


class SensorStatus(msgspec.Struct, frozen=True):
    """One sensor: its rung, whether a better one failed, why, the fix; when it last saw its own trigger.

    filtered counts what its settings had it leave out, by filter; refused_filters says what they could not.
    """

    name: str
    rung: str | None
    degraded: bool
    tried: tuple[SensorHealth, ...] = ()
    problem: str | None = None
    tested: int | None = None
    filtered: dict[str, int] = {}
    refused_filters: tuple[str, ...] = ()

    @property
    def applies(self) -> bool:
        """Whether this host has anything for it to see: what has no rung by right is not degraded."""
        return self.rung is not None or self.degraded


class LaneStatus(msgspec.Struct, frozen=True):
    """One lane: events and bytes that wait to be sealed, last statement."""

    waiting: int
    bytes: int
    seq: int


class PolicyStatus(msgspec.Struct, frozen=True):
    """The fleet's policy that was taken last, what became of it, and why a newer one was refused, if so."""

    name: str | None = None
    version: int | None = None
    digest: str | None = None
    until: int | None = None
    state: Cause | None = None
    refused: str | None = None


class Status(msgspec.Struct, frozen=True):
    """The whole of it. Times are UTC ns; problem is why the spool does not take batches, if it does not.

    shedding is why bulk events are shed now, if they are.
    """

    time: int
    pid: int
    version: str
    agent: str
    host: str
    started: int
    events: int
    shed: int
    own: int
    sensors: tuple[SensorStatus, ...]
    lanes: dict[str, LaneStatus]
    spool: SpoolState | None = None
    last_stored: int | None = None
    last_receipt: int | None = None
    problem: str | None = None
    shedding: str | None = None
    policy: PolicyStatus | None = None

    @property
    def degraded(self) -> bool:
        """Whether an operator should look."""
        return self.problem is not None or any(sensor.degraded for sensor in self.sensors)


def write(folder: Path, status: Status) -> None:
    """Replace the status in folder; readable by its owner and group.

    Raises:
        OSError: the folder is gone or full.
    """
    fresh = folder / f".{FILE}.new"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(status))
    fresh.rename(folder / FILE)


def read(folder: Path) -> Status:
    """Return the status in folder.

    Raises:
        AgentError: there is none, or it cannot be read; says how to start the agent.
    """
    path = folder / FILE
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(_LIMIT), type=Status)
    except FileNotFoundError as error:
        raise AgentError(
            f"{path}: no status, watch does not run; start it: systemctl start vedette-watch"
        ) from error
    except OSError as error:
        raise AgentError(f"{path}: {error.strerror}; run as root") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AgentError(f"{path}: not a status of this version: {error}; restart the agent") from error

"""What watch has taken in and not yet sealed, in files that a kill leaves behind: it costs no event.

The files lie in the runtime folder, which is memory on a usual host, readable by watch alone; what they hold
is redacted. Each is a run of frames: length, CRC-32, then a `Frame`. A frame is written at once, so that its
events and the ring positions behind them count together or not at all. Whether an event was sealed the spool
tells: each lane is sealed in the order of its numbers.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from evidence import codec, statement
from evidence.event import Event
from evidence.kind import Body, Lane

from ..gathered import merge
from ..kernel.rings import Left
from .lanes import LANES

_HEAD = struct.Struct("<II")
_PREFIX = "unsealed."
_GAP = "unsealed-gap"
_ROTATE = 1 << 20
_FRAME_LIMIT = 256 << 20
_NONE = {"priority": 0, "bulk": 0}


class Frame(msgspec.Struct, frozen=True, omit_defaults=True):
    """Lines of events by lane, ring positions, told losses by ring, and losses that wait to be signed.

    gathered is what changed of what feeds took and have not told yet; all of it in the first frame of a file.
    With a statement (lane and number), losses are those that are left once this statement is stored. owner
    and boot stand in the first frame of a file.
    """

    priority: list[bytes] = []
    bulk: list[bytes] = []
    positions: dict[str, int] = {}
    counted: dict[str, list[int]] = {}
    gathered: dict[str, dict[str, bytes]] = {}
    losses: tuple[statement.Loss, ...] | None = None
    statement: tuple[Lane, int] | None = None
    owner: str | None = None
    boot: str | None = None


class Spooled(msgspec.Struct, frozen=True):
    """Where this run begins: in whose name events are numbered, the boot id, and by lane what is stored.

    sealed is the last event number of each lane, heads its last statement.
    """

    owner: str
    boot: str
    sealed: dict[Lane, int]
    heads: dict[Lane, int]


class Found(msgspec.Struct, frozen=True):
    """What the last run left: events and their lines by lane in order, ring positions, unsigned losses.

    whole is False when not all could be kept. last_seq is the highest number that was given.
    """

    events: tuple[tuple[Lane, Event[Body], bytes], ...] = ()
    left: Left = Left()
    losses: tuple[statement.Loss, ...] = ()
    whole: bool = False
    last_seq: int = 0


class _File(msgspec.Struct):
    """A file and the highest event number of each lane in it."""

    path: Path
    last: dict[Lane, int]


_decoder = msgspec.msgpack.Decoder(Frame)
_encoder = msgspec.msgpack.Encoder()


def frames(raw: bytes) -> list[Frame]:
    """Return the whole frames at the beginning of raw; what a kill tore off is left out."""
    found: list[Frame] = []
    at = 0
    while at + _HEAD.size <= len(raw):
        length, check = _HEAD.unpack_from(raw, at)
        body = raw[at + _HEAD.size : at + _HEAD.size + length]
        if len(body) < length or length > _FRAME_LIMIT or zlib.crc32(body) != check:
            break
        try:
            found.append(_decoder.decode(body))
        except (msgspec.DecodeError, UnicodeDecodeError):
            break
        at += _HEAD.size + length
    return found


def encode(frame: Frame) -> bytes:
    """Return the bytes of a frame in its file."""
    body = _encoder.encode(frame)
    return _HEAD.pack(len(body), zlib.crc32(body)) + body


def recover(found: list[Frame], spooled: Spooled, *, whole: bool) -> Found:
    """Return what counts of the frames of the last run, oldest first; those of another owner never do."""
    positions: dict[str, int] = {}
    counted: dict[str, list[int]] = {}
    gathered: dict[str, dict[str, bytes]] = {}
    losses: tuple[statement.Loss, ...] = ()
    lines: dict[Lane, list[bytes]] = {lane: [] for lane in LANES}
    ours = same_boot = False
    for frame in found:
        if frame.boot is not None:
            ours, same_boot = frame.owner == spooled.owner, frame.boot == spooled.boot
        if not ours:
            continue
        lines["priority"] += frame.priority
        lines["bulk"] += frame.bulk
        if same_boot:
            positions |= frame.positions
            counted |= frame.counted
            merge(gathered, frame.gathered)
        if frame.losses is not None and (
            frame.statement is None or spooled.heads[frame.statement[0]] >= frame.statement[1]
        ):
            losses = frame.losses
    events: list[tuple[Lane, Event[Body], bytes]] = []
    last = 0
    for lane in LANES:
        for line in lines[lane]:
            for event in codec.decode(line).events:
                last = max(last, event.seq)
                if isinstance(event, Event) and event.seq > spooled.sealed[lane]:
                    events.append((lane, event, line))
    return Found(tuple(events), Left(positions, counted, gathered), losses, whole and bool(found), last)


class Unsealed:
    """The files of this run. A disk that takes nothing costs the safety, never an event."""

    def __init__(self, folder: Path, spooled: Spooled) -> None:
        """Read what the last run left in folder, and begin."""
        self._folder = folder
        self._gap = folder / _GAP
        self._lines: dict[Lane, list[bytes]] = {lane: [] for lane in LANES}
        self._state = Frame(owner=spooled.owner, boot=spooled.boot)
        self._last = dict.fromkeys(LANES, 0)
        self._descriptor = -1
        self._size = 0
        named = [path for path in folder.glob(f"{_PREFIX}*") if path.suffix[1:].isdecimal()]
        paths = sorted(named, key=lambda path: int(path.suffix[1:]))
        read = [frame for path in paths for frame in frames(path.read_bytes())]
        self.found = recover(read, spooled, whole=not self._gap.exists())
        """What the last run left."""
        last = {
            lane: max((e.seq for at, e, _ in self.found.events if at == lane), default=0) for lane in LANES
        }
        self._files = deque(_File(path, dict(last)) for path in paths)
        self._number = int(paths[-1].suffix[1:]) if paths else 0
        self._gap.unlink(missing_ok=True)
        left = self.found.left
        self._state = msgspec.structs.replace(
            self._state,
            positions=left.positions,
            counted=left.counted,
            gathered={name: dict(entries) for name, entries in left.gathered.items()},
            losses=self.found.losses,
        )
        self._begin()

    def add(self, lane: Lane, seq: int, line: bytes) -> None:
        """Take an event that was queued; `keep` writes it."""
        self._lines[lane].append(line)
        self._last[lane] = seq

    @property
    def pending(self) -> bool:
        """Whether an event was taken that is not written yet."""
        return any(self._lines.values())

    def keep(
        self,
        positions: Mapping[str, int],
        counted: Mapping[str, list[int]],
        losses: tuple[statement.Loss, ...] | None,
        gathered: Mapping[str, dict[str, bytes]] | None = None,
    ) -> None:
        """Write what was taken, with the ring positions behind it; losses and gathered as far as changed."""
        if losses is None and not gathered and not self.pending:
            return
        frame = Frame(
            priority=self._lines["priority"],
            bulk=self._lines["bulk"],
            positions=dict(positions),
            counted=dict(counted),
            gathered=dict(gathered or {}),
            losses=losses,
        )
        merge(self._state.gathered, frame.gathered)
        self._state = msgspec.structs.replace(
            self._state,
            positions=self._state.positions | frame.positions,
            counted=frame.counted,
            losses=self._state.losses if losses is None else losses,
        )
        if self._size >= _ROTATE:
            self._begin()
        self._write(frame)
        self._files[-1].last.update(self._last)
        self._lines = {lane: [] for lane in LANES}

    def sealing(self, lane: Lane, number: int, losses: tuple[statement.Loss, ...]) -> None:
        """Note that a statement is about to be stored, after which only these losses wait to be signed."""
        self._state = msgspec.structs.replace(self._state, losses=losses)
        self._write(Frame(losses=losses, statement=(lane, number)))

    def settle(self, oldest: Mapping[Lane, int | None]) -> None:
        """Delete files whose events are sealed; oldest is the first number of each lane that is not."""
        while len(self._files) > 1:
            file = self._files[0]
            if any((first := oldest[lane]) is not None and file.last[lane] >= first for lane in LANES):
                return
            with suppress(OSError):
                file.path.unlink()
            self._files.popleft()

    def close(self, *, done: bool) -> None:
        """End; done tells that all was sealed."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        for file in self._files if done else ():
            with suppress(OSError):
                file.path.unlink()

    def _begin(self) -> None:
        """Begin another file with all that still counts of the former ones but their events."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._number += 1
        path = self._folder / f"{_PREFIX}{self._number}"
        self._files.append(_File(path, dict(_NONE)))  # type: ignore[arg-type]
        self._size, self._descriptor = 0, -1
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError:
            self._miss()
        self._write(self._state)

    def _write(self, frame: Frame) -> None:
        raw = encode(frame)
        if self._descriptor < 0:
            return
        try:
            if os.write(self._descriptor, raw) == len(raw):
                self._size += len(raw)
                return
            os.ftruncate(self._descriptor, self._size)
            os.lseek(self._descriptor, self._size, os.SEEK_SET)
        except OSError:
            pass
        self._miss()

    def _miss(self) -> None:
        """Note that something is not kept, so that the next start after a kill does not claim it was."""
        try:
            self._gap.touch(mode=0o600)
        except OSError:
            self.close(done=True)  # without files nothing is claimed either

"""Inspects a ledger's raw bytes: checkpoints, entries, tree, data, tiles. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from evidence import checkpoint
from evidence.checkpoint import Checkpoint, VerifierKey
from evidence.errors import BadCheckpoint

from ..errors import LedgerError
from ..ledger import layout, note, tiles
from ..ledger.layout import RECORD_HEADER, SEGMENT, DataHeader
from ..ledger.tiles import TilePath
from .examiner import Examiner, Expired, Problem, Sealed

Progress = Callable[[int, int], None]


class ChainLine(msgspec.Struct, frozen=True):
    """How whole one lane is. holes are statements that never came; that is no fault of the ledger."""

    agent: str
    epoch: int
    lane: str
    contiguous: int
    holes: tuple[tuple[int, int], ...]
    forked: tuple[int, ...]


class Report(msgspec.Struct, frozen=True):
    """The outcome: sound when there are no problems. beyond counts entries past the checkpoint."""

    sound: bool
    origin: str
    size: int
    root: str
    entries: dict[str, int]
    problems: tuple[Problem, ...]
    expired: tuple[Expired, ...]
    chains: tuple[ChainLine, ...]
    beyond: int = 0


class _Inspection:
    """One pass over the files of a ledger."""

    def __init__(self, folder: Path, key: VerifierKey, progress: Progress) -> None:
        self._folder = folder
        self._progress = progress
        self.head = _newest(folder, key)
        self.examiner = Examiner()
        self.beyond = 0

    def run(self) -> None:
        """Look at everything."""
        waiting: list[tuple[int, list[Sealed | None]]] = []
        for segment in range(-(-self.head.size // SEGMENT)):
            sealed = self._entries(segment)
            if (self._folder / layout.data_name(segment)).exists():
                self._data(segment, sealed)
            else:
                waiting.append((segment, sealed))
            self._progress(self.examiner.tree.size, self.head.size)
        for segment, sealed in waiting:
            self._no_data(segment, len(sealed))
        self._root()
        self._tiles()
        self.examiner.finish()

    def _entries(self, segment: int) -> list[Sealed | None]:
        path = self._folder / layout.entries_name(segment)
        first, last = segment * SEGMENT, min((segment + 1) * SEGMENT, self.head.size)
        found: list[Sealed | None] = []
        raw = path.read_bytes() if path.exists() else b""
        if self.examiner.tree.size == first:
            for _, one in layout.walk_entries(raw):
                if first + len(found) == last:
                    self.beyond += 1
                    continue
                found.append(self.examiner.feed(one))
        if first + len(found) < last:
            self.examiner.complain(f"{path.name}: entries {first + len(found)} to {last - 1} are missing")
        return found

    def _root(self) -> None:
        tree, head = self.examiner.tree, self.head
        if tree.size < head.size:
            self.examiner.complain(f"{tree.size} entries, but a checkpoint was signed for {head.size}")
        elif tree.root() != head.root:
            self.examiner.complain(f"the entries do not lead to the root signed for {head.size} of them")

    def _no_data(self, segment: int, count: int) -> None:
        first, last = segment * SEGMENT, segment * SEGMENT + count - 1
        gone = [one for one in self.examiner.expired if one.first <= first and last <= one.last]
        if count and not gone:
            self.examiner.complain(
                f"data of entries {first} to {last} is gone, and no retention entry says so"
            )

    def _data(self, segment: int, sealed: Sequence[Sealed | None]) -> None:
        path = self._folder / layout.data_name(segment)
        expected = segment * SEGMENT
        with path.open("rb") as file:
            while (header := self._next_header(file, expected)) is not None:
                index = header.index - segment * SEGMENT
                if index >= len(sealed) or header.index < expected:
                    break
                self._lost(expected, header.index - 1)
                self._record(file.read(header.length), header, sealed[index])
                expected = header.index + 1
        self._lost(expected, segment * SEGMENT + len(sealed) - 1)

    def _lost(self, first: int, last: int) -> None:
        if first <= last:
            self.examiner.complain(f"data of entries {first} to {last} is missing or damaged")

    def _next_header(self, file: BinaryIO, expected: int) -> DataHeader | None:
        """Return the record at the file's place, or the next one that can be found behind damaged bytes."""
        at = file.tell()
        header = layout.read_header(file.read(RECORD_HEADER))
        if header is not None and header.index == expected:
            return header
        file.seek(at)
        rest = file.read()
        skip = layout.find_header(rest, 0)
        while skip != -1:
            header = layout.read_header(rest[skip : skip + RECORD_HEADER])
            end = skip + RECORD_HEADER + (header.length if header else 0)
            near = header is not None and expected <= header.index < expected + SEGMENT and end <= len(rest)
            if header and near and header.fits(layout.sha256(rest[skip + RECORD_HEADER : end])):
                file.seek(at + skip + RECORD_HEADER)
                return header
            skip = layout.find_header(rest, skip + 1)
        return None

    def _record(self, data: bytes, header: DataHeader, sealed: Sealed | None) -> None:
        digest = layout.sha256(data)
        if len(data) != header.length or not header.fits(digest):
            self.examiner.complain("its data or receive time is damaged", header.index)
        elif sealed is None and data:
            self.examiner.complain("has data, though it is no statement", header.index)
        elif sealed is not None and not data:
            self.examiner.without_data(sealed)
        elif sealed is not None and sealed.due != (digest, len(data)):
            self.examiner.complain("its data is not what its statement signed", header.index)

    def _tiles(self) -> None:
        """Compare the full hash tiles with the tree; a missing one follows from the entries."""
        tree, level = self.examiner.tree, 0
        while full := tree.size >> (8 * (level + 1)):
            for number in range(full):
                tile = TilePath(level, number)
                path = self._folder / str(tile)
                if path.exists() and path.read_bytes() != tiles.hashes_of(tree, tile):
                    self.examiner.complain(
                        f"{tile} does not follow from the entries; delete it, it is made anew"
                    )
            level += 1


def inspect(folder: Path, trusted: VerifierKey | None, progress: Progress) -> Report:
    """Inspect the ledger in folder; trusted is its key from elsewhere, None takes the one that lies there.

    Raises:
        LedgerError: there is no ledger, or no checkpoint of that key.
    """
    key = trusted or _own_key(folder)
    inspection = _Inspection(folder, key, progress)
    inspection.run()
    examiner = inspection.examiner
    return Report(
        sound=not examiner.problems,
        origin=inspection.head.origin,
        size=inspection.head.size,
        root=inspection.head.root.hex(),
        entries=dict(examiner.counts),
        problems=tuple(examiner.problems),
        expired=tuple(examiner.expired),
        chains=tuple(
            ChainLine(agent, epoch, lane, state.contiguous, state.holes, state.forked)
            for (agent, epoch, lane), state in examiner.chains.states().items()
        ),
        beyond=inspection.beyond,
    )


def _own_key(folder: Path) -> VerifierKey:
    try:
        return checkpoint.parse_vkey((folder / layout.VERIFIER_KEY).read_text())
    except (OSError, BadCheckpoint) as error:
        raise LedgerError(
            f"{folder / layout.VERIFIER_KEY}: {error}; give the ledger's key with --key"
        ) from error


def _newest(folder: Path, key: VerifierKey) -> Checkpoint:
    found: list[Checkpoint] = []
    reason = "there is none"
    for signed in note.candidates(folder):
        try:
            found.append(checkpoint.verify_note(signed, key))
        except BadCheckpoint as error:
            reason = str(error)
    if not found:
        raise LedgerError(f"{folder}: no checkpoint signed by {key.name}: {reason}")
    return max(found, key=lambda head: head.size)

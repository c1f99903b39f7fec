"""The pipeline's process: tails the ledger, folds it, and commits rows with the position about once a second.

It is the only owner of the lake. Three threads: this one reads, decodes and folds; one stores, so that the
next rows are made meanwhile; one merges small files. A crash at any point resumes without loss or double
effect: rows and position are one transaction, and the engine's state is stored with the position it is for.
"""

from __future__ import annotations

import gc
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import msgspec
import pyarrow as pa

from evidence.errors import EvidenceError
from evidence.kinds.collector import Act

from . import costs, files, generation, paths, snapshot, tables
from .alert import Alert
from .columns import TableName
from .costs import Measured
from .engine import Engine
from .errors import CollectorError, StoreError
from .fold import Fold, Folded
from .lake import Commit, Lake
from .ledger.reader import LedgerItem, LedgerReader
from .organisation import Known
from .rulebook import Book
from .runaway import Watch
from .settings import Pipeline as PipelineSettings
from .settings import Settings
from .sigma.ruleset import Ruleset

GRACE_SECONDS = 900
"""How long merged and replaced files stay for readers of an older snapshot."""
_READ = 64
_WAIT = 0.25
_TICK = 1.0
_ALERT_SECONDS = 0.25
_MEASURE_SECONDS = 5.0
_TRIES = 30
_GC_THRESHOLDS = (1_000_000, 20, 100)
_SWITCH_SECONDS = 0.001
"""How soon the storing thread gets the interpreter for the few steps in Python between two of DuckDB's."""
_log = logging.getLogger(__name__)


class Source(Protocol):
    """The ledger, as the pipeline reads it."""

    def items(self, start_index: int, limit: int) -> Iterable[LedgerItem]:
        """Return up to limit durable entries from start_index on."""
        ...

    def wait(self, size: int, timeout: float) -> int:
        """Return the ledger's size as soon as it is above size, or after timeout seconds."""
        ...


class Operator(Protocol):
    """What the operator tells of people, hosts and networks, as the pipeline follows it."""

    def look(self) -> Known | None:
        """Return what is told from now on, if that has changed; never waits."""
        ...

    def close(self) -> None:
        """End what looks."""
        ...


class Rules(Protocol):
    """The folder of Sigma rules, as the pipeline follows it."""

    def look(self) -> Ruleset | None:
        """Return the rules that are in force from now on, if that has changed; never waits."""
        ...

    def close(self) -> None:
        """End what looks."""
        ...


class Pending:
    """What was folded and is not yet handed to the lake."""

    def __init__(self) -> None:
        self.folded: list[Folded] = []
        self.alerts: list[Alert] = []
        self.rows = 0
        self.entries = 0

    def add(self, folded: Folded | None, alerts: Sequence[Alert]) -> None:
        """Take what one entry gave."""
        self.entries += 1
        self.alerts.extend(alerts)
        if folded is not None:
            self.folded.append(folded)
            self.rows += len(folded.persons)


class Pipeline:
    """Joins ledger, fold and lake. clock is UTC ns; notify gets alerts once they are durable."""

    def __init__(
        self,
        source: Source,
        folder: Path,
        readers: Path,
        make_engine: Callable[[], Engine],
        settings: PipelineSettings,
        *,
        clock: Callable[[], int] = time.time_ns,
        notify: Callable[[Sequence[Alert]], None] | None = None,
        operator: Operator | None = None,
        record: Callable[[Act], object] | None = None,
        rules: Rules | None = None,
    ) -> None:
        """Open the lake in folder; readers is the path of the snapshot file.

        It closes operator and rules at its end. record makes an act durable in the ledger; without it a rule
        that breaks its budget, or costs too much, goes on.

        Raises:
            StoreError: the lake cannot be opened, or is damaged.
        """
        self._source, self._settings, self._clock, self._notify = source, settings, clock, notify
        self._readers, self._state_file, self._operator = readers, folder / "engine.state", operator
        self._record, self._asked = record, set[str | None]()
        self._rules = rules
        self._lake = Lake(folder)
        self._stop = threading.Event()
        self._storer = ThreadPoolExecutor(1, "store")
        self._merger = ThreadPoolExecutor(1, "merge")
        self._storing: Future[None] | None = None
        self._merging: Future[None] | None = None
        self._pending = Pending()
        started = time.monotonic()
        self._committed = self._ticked = self._merged = self._saved = self._measured = started
        self._began = clock()
        self._fold = self._resume(make_engine)
        self._book = self._fold.decided()
        self._watch = Watch(settings.runaway_share, settings.runaway_seconds, time.monotonic_ns())

    def _resume(self, make_engine: Callable[[], Engine]) -> Fold:
        """Return a fold that has seen what the lake has; alerts it raised on the way are pending.

        Raises:
            StoreError: the ledger has fewer entries than the lake.
        """
        position = self._lake.position()
        fold = Fold(make_engine())
        try:
            fold.load(self._state_file.read_bytes())
        except (OSError, StoreError) as error:
            _log.info("no usable engine state (%s): folding the ledger from its beginning", error)
            fold = Fold(make_engine())
        if fold.position > position:
            _log.warning("the engine's state is newer than the lake: folding the ledger from its beginning")
            fold = Fold(make_engine())
        while (at := fold.position) < position:
            for item in self._source.items(at, min(_READ, position - at)):
                self._pending.alerts.extend(fold.feed(item)[1])
            if fold.position == at:
                raise StoreError(f"the ledger has {at} entries, the lake {position}: restore or replay")
        return fold

    @property
    def position(self) -> int:
        """Index of the next entry to read."""
        return self._fold.position

    def run(self) -> None:
        """Work until `stop`, then commit what was read.

        Raises:
            StoreError, LedgerError: it cannot go on; a new start resumes where the lake stands.
        """
        try:
            self._publish()
            while not self._stop.is_set():
                self.turn(_WAIT)
            self.flush()
        finally:
            self.close()

    def stop(self) -> None:
        """Let `run` end soon; may be called from another thread or a signal handler."""
        self._stop.set()

    def turn(self, wait: float) -> None:
        """Do one round: read what is there, commit and tend the lake when due, else wait for more."""
        now = time.monotonic()
        self._learn()
        drained = self._read()
        if drained and now >= self._ticked + _TICK:
            self._ticked = now
            self.tick()
        self._measure(now)
        if self._is_due(now):
            self._commit()
        self._tend(now)
        if drained:
            self._source.wait(self._fold.position, wait)

    def tick(self) -> None:
        """Let the engine notice what did not happen by now; the ledger must have been read to its end."""
        self._pending.alerts.extend(self._fold.tick(self._clock()))
        self._stage()

    def _stage(self) -> None:
        """Have rules staged that broke their budget; each once, until that is read from the ledger."""
        if self._record is None:
            return
        acts = self._fold.broken(self._clock())
        for act in acts:
            if act.object not in self._asked:
                self._asked.add(act.object)
                self._storer.submit(self._attempt, act, lambda act: self._asked.discard(act.object))
        self._asked &= {act.object for act in acts}

    def _attempt(self, act: Act, forget: Callable[[Act], None]) -> None:
        try:
            if self._record is not None:
                self._record(act)
        except (CollectorError, EvidenceError, OSError) as error:
            forget(act)
            state = (act.detail or {}).get("state")
            _log.warning("rule %s is not %s yet, trying again: %s", act.object, state, error)

    def _measure(self, now: float) -> None:
        """Tell readers what rules cost, and have those put to rest that cost too much for too long."""
        if now < self._measured + min(_MEASURE_SECONDS, self._watch.every):
            return
        self._measured = now
        measured = self._fold.measured()
        self._storer.submit(self._tell_costs, measured)
        if self._record is not None:
            for act in self._watch.look(time.monotonic_ns(), measured.rules, self._fold.decided()):
                self._storer.submit(self._attempt, act, self._watch.forget)

    def _tell_costs(self, measured: Measured) -> None:
        path = costs.beside(self._readers)
        try:
            costs.write(path, measured, self._began, self._clock())
        except OSError as error:
            _log.warning("%s: %s; readers see former costs", path, error.strerror)

    def _learn(self) -> None:
        """Take what the operator tells anew; the state is kept, so that a restart begins with it there."""
        known = self._operator.look() if self._operator is not None else None
        if known is not None:
            self.flush()
            self._fold.learn(known)
        ruleset = self._rules.look() if self._rules is not None else None
        if ruleset is not None:
            self.flush()
            self._fold.enforce(ruleset)

    def _read(self) -> bool:
        """Fold entries until a commit's worth is pending; tell whether the ledger has no more."""
        while self._pending.rows < self._settings.commit_rows:
            before = self._fold.position
            for item in self._source.items(before, _READ):
                self._pending.add(*self._fold.feed(item))
                if self._pending.rows >= self._settings.commit_rows:
                    break
            if self._fold.position == before:
                return True
            if time.monotonic() >= self._committed + self._settings.commit_seconds:
                break
        return False

    def _is_due(self, now: float) -> bool:
        """Tell whether to commit: alerts nearly at once, rows when enough or old enough."""
        pending = self._pending
        age = now - self._committed
        return (
            pending.rows >= self._settings.commit_rows
            or (pending.entries > 0 and age >= self._settings.commit_seconds)
            or (bool(pending.alerts) and age >= _ALERT_SECONDS)
        )

    def _commit(self) -> None:
        """Hand what is pending to the storing thread, once it has stored the former."""
        self._settle()
        pending, self._pending = self._pending, Pending()
        self._committed = time.monotonic()
        state: bytes | None = None
        if self._committed >= self._saved + self._settings.checkpoint_seconds:
            state, self._saved = self._fold.dump(), self._committed
        self._storing = self._storer.submit(
            self._store, pending, self._fold.position, self._fold.decided(), state
        )

    def _settle(self) -> None:
        """Wait for the commit under way, and raise what it met."""
        if self._storing is not None:
            self._storing.result()
            self._storing = None

    def _store(self, pending: Pending, position: int, book: Book, state: bytes | None) -> None:
        rows: dict[TableName, pa.Table] = {
            "events": tables.events(pending.folded),
            "batches": tables.batches(pending.folded),
            "sessions": tables.sessions(pending.folded),
        }
        for attempt in range(1, _TRIES + 1):
            try:
                fresh = self._unknown(pending.alerts)
                self._lake.commit(Commit({**rows, "alerts": tables.alerts(fresh)}, position))
                break
            except StoreError as error:
                if attempt == _TRIES or self._stop.wait(1.0):
                    raise
                _log.warning("commit failed, trying again: %s", error)
        self._book = book
        self._publish(position)
        if state is not None:
            self._save(state)
        if self._notify is not None and fresh:
            self._notify(fresh)

    def _unknown(self, alerts: list[Alert]) -> list[Alert]:
        """Return alerts without those that are stored, each revision once: two may share an id."""
        by_id = {(alert.id, alert.revision): alert for alert in alerts}
        stored = self._lake.stored_alerts(alert.id for alert in alerts) if alerts else set()
        return [alert for key, alert in by_id.items() if key not in stored]

    def _publish(self, position: int | None = None) -> None:
        """Write what readers see; if that fails they see the former for now, and nothing is lost."""
        at = self._lake.position() if position is None else position
        try:
            shown = msgspec.structs.replace(self._lake.snapshot(at, self._clock()), book=self._book)
            snapshot.write(self._readers, shown)
        except OSError as error:
            _log.warning("%s: %s; readers see the former snapshot", self._readers, error.strerror)

    def _save(self, state: bytes) -> None:
        try:
            files.write(self._state_file, state)
        except OSError as error:
            _log.warning("%s: %s; a restart will take longer", self._state_file, error.strerror)

    def _tend(self, now: float) -> None:
        """Merge small files and drop old ones in the background; publish once that is done."""
        if self._merging is not None and self._merging.done():
            done, self._merging = self._merging, None
            error = done.exception()
            if error is not None:
                _log.warning("merging failed, the lake is whole: %s", error)
            self._settle()
            self._storing = self._storer.submit(self._publish)
        if self._merging is None and now >= self._merged + self._settings.merge_seconds:
            self._merged = now
            self._merging = self._merger.submit(self._merge)

    def _merge(self) -> None:
        self._lake.clean(GRACE_SECONDS)
        root = self._state_file.parent.parent
        generation.drop_others(root, self._clock() / 1e9, GRACE_SECONDS)
        self._lake.merge()

    def flush(self) -> None:
        """Commit what is pending and wait until it is stored, the engine's state too."""
        self._saved = float("-inf")
        self._commit()
        self._settle()

    def close(self) -> None:
        """End the threads and close the lake."""
        self._stop.set()
        self._storer.shutdown()
        self._merger.shutdown()
        if self._operator is not None:
            self._operator.close()
        if self._rules is not None:
            self._rules.close()
        self._lake.close()


def serve(
    settings: Settings,
    make_engine: Callable[[], Engine],
    ready: Callable[[], None],
    *,
    notify: Callable[[Sequence[Alert]], None] | None = None,
    operator: Operator | None = None,
    record: Callable[[Act], object] | None = None,
    rules: Rules | None = None,
) -> None:
    """Run the pipeline as this process until SIGTERM or SIGINT; ready is called once it follows the ledger.

    Raises:
        StoreError, LedgerError: it cannot start or go on; a new start resumes where the lake stands.
    """
    places = paths.of(settings)
    with generation.owned(places.lake):
        pipeline = Pipeline(
            LedgerReader(places.ledger),
            generation.current(places.lake),
            places.snapshot,
            make_engine,
            settings.pipeline,
            notify=notify,
            operator=operator,
            record=record,
            rules=rules,
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: pipeline.stop())
        # Events make no reference cycles; looking for some all the time costs a fifth of the throughput.
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        sys.setswitchinterval(_SWITCH_SECONDS)
        ready()
        pipeline.run()

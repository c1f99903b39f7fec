"""The pipeline's process: tails the ledger, folds it, and commits rows with the position about once a second.

A child of it owns the lake. Three threads: this one reads, decodes and folds; one hands over to the child
what is to be stored, so that the next rows are made meanwhile; one waits for merges. A crash at any point
resumes without loss or double effect: rows and position are one transaction, and the engine's state is kept
once the position it is for is stored.
"""

from __future__ import annotations

import functools
import gc
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from evidence.errors import EvidenceError
from evidence.kinds.collector import Act

from .. import paths
from ..alert import Alert
from ..engine import Engine
from ..errors import CollectorError, StoreError
from ..lake import generation
from ..lake.shelf import Shelf
from ..lake.shelf_process import ShelfProcess
from ..ledger.reader import LedgerItem, LedgerReader
from ..organisation.known import Known
from ..rule import Detection
from ..rules.runaway import Watch
from ..settings import Pipeline as PipelineSettings
from ..settings import Settings
from ..sigma.ruleset import Ruleset
from .checkpoint import Checkpoint
from .fold import Fold
from .storing import Pending, Point, Storing

_READ = 64
_WAIT = 0.25
_TICK = 1.0
_ALERT_SECONDS = 0.25
_MEASURE_SECONDS = 5.0
_GC_THRESHOLDS = (1_000_000, 20, 100)
_OWN_SECONDS = 10.0
"""How long the storing process of a pipeline that was killed may take to end."""
_SWITCH_SECONDS = 0.001
"""How soon the thread that hands over gets the interpreter for each of its few steps."""
T_co = TypeVar("T_co", covariant=True)
_log = logging.getLogger(__name__)


class Source(Protocol):
    """The ledger, as the pipeline reads it."""

    def items(self, start_index: int, limit: int) -> Iterable[LedgerItem]:
        """Return up to limit durable entries from start_index on."""
        ...

    def wait(self, size: int, timeout: float) -> int:
        """Return the ledger's size as soon as it is above size, or after timeout seconds."""
        ...


class Followed(Protocol[T_co]):
    """What the operator tells or writes in a folder, as the pipeline follows it."""

    def look(self) -> T_co | None:
        """Return what is in force from now on, if that has changed; never waits."""
        ...

    def close(self) -> None:
        """End what looks."""
        ...


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
        operator: Followed[Known] | None = None,
        record: Callable[[Act], object] | None = None,
        rules: Followed[Ruleset] | None = None,
        site_rules: Followed[Sequence[Detection]] | None = None,
        open_shelf: Callable[[Path, Path], Shelf] = ShelfProcess,
    ) -> None:
        """Have the lake in folder opened by open_shelf; readers is the path of the snapshot file.

        It closes operator, rules and site_rules at its end. record makes an act durable in the ledger;
        without it a rule that breaks its budget, fails, or costs too much, goes on.

        Raises:
            StoreError: the lake cannot be opened, or is damaged.
        """
        self._source, self._settings, self._clock, self._operator = source, settings, clock, operator
        self._record, self._asked = record, set[str | None]()
        self._rules, self._site_rules = rules, site_rules
        self._stop = threading.Event()
        self._storing = Storing(
            folder, readers, clock=clock, notify=notify, stop=self._stop, open_shelf=open_shelf
        )
        self._checkpoint = Checkpoint(folder / "engine.state", settings.checkpoint_seconds)
        self._pending, self._handed = Pending(), 0
        self._committed = self._ticked = time.monotonic()
        self._measured = float("-inf")
        self._fold = self._resume(make_engine)
        share, seconds = settings.runaway_share, settings.runaway_seconds
        self._watch = Watch(share, seconds, time.monotonic_ns(), self._fold.measured().rules)

    def _resume(self, make_engine: Callable[[], Engine]) -> Fold:
        """Return a fold that has seen what the lake has; alerts it raised on the way are pending.

        Raises:
            StoreError: the ledger has fewer entries than the lake.
        """
        position = self._storing.position()
        fold = Fold(make_engine())
        try:
            fold.load(self._checkpoint.load())
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
            self._storing.begin(self._fold.decided())
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
        self._storing.tend(now, self._settings.merge_seconds)
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
                forget = functools.partial(self._asked.discard, act.object)
                self._storing.between(functools.partial(self._attempt, act, forget))
        self._asked &= {act.object for act in acts}

    def _attempt(self, act: Act, forget: Callable[[], None]) -> None:
        try:
            if self._record is not None:
                self._record(act)
        except (CollectorError, EvidenceError, OSError) as error:
            forget()
            state = (act.detail or {}).get("state")
            _log.warning("rule %s is not %s yet, trying again: %s", act.object, state, error)

    def _measure(self, now: float) -> None:
        """Tell readers what rules cost, and have those put to rest that cost too much for too long."""
        if now < self._measured + min(_MEASURE_SECONDS, self._watch.every):
            return
        self._measured = now
        measured = self._fold.measured()
        self._storing.tell(measured)
        if self._record is not None:
            for act in self._watch.look(time.monotonic_ns(), measured.rules, self._fold.decided()):
                forget = functools.partial(self._watch.forget, act)
                self._storing.between(functools.partial(self._attempt, act, forget))

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
        site_rules = self._site_rules.look() if self._site_rules is not None else None
        if site_rules is not None:
            self.flush()
            self._fold.adopt(site_rules)

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
        self._storing.settle()
        self._checkpoint.keep(self._handed)
        pending, self._pending = self._pending, Pending()
        self._committed, self._handed = time.monotonic(), self._fold.position
        self._storing.commit(pending, Point(self._handed, self._fold.decided()))
        if self._checkpoint.is_due(self._committed):
            self._checkpoint.begin(self._fold.dump, self._handed)

    def flush(self) -> None:
        """Commit what is pending and wait until it is stored, the engine's state too."""
        self._commit()
        self._storing.settle()
        self._checkpoint.write(self._fold.dump())

    def close(self) -> None:
        """End the threads and close the lake."""
        self._stop.set()
        for one in (self._operator, self._rules, self._site_rules):
            if one is not None:
                one.close()
        self._checkpoint.close()
        self._storing.close()


def serve(
    settings: Settings,
    make_engine: Callable[[], Engine],
    ready: Callable[[], None],
    *,
    notify: Callable[[Sequence[Alert]], None] | None = None,
    operator: Followed[Known] | None = None,
    record: Callable[[Act], object] | None = None,
    rules: Followed[Ruleset] | None = None,
    site_rules: Followed[Sequence[Detection]] | None = None,
) -> None:
    """Run the pipeline as this process until SIGTERM or SIGINT; ready is called once it follows the ledger.

    Raises:
        StoreError, LedgerError: it cannot start or go on; a new start resumes where the lake stands.
    """
    places = paths.of(settings)
    with generation.owned(places.lake, _OWN_SECONDS):
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
            site_rules=site_rules,
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: pipeline.stop())
        # Events make no reference cycles; looking for some all the time costs a fifth of the throughput.
        gc.freeze()
        gc.set_threshold(*_GC_THRESHOLDS)
        sys.setswitchinterval(_SWITCH_SECONDS)
        ready()
        pipeline.run()

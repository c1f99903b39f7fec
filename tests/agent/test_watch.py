"""Watch's loop over feeds that a test writes: nothing lost unsaid, no feed's failure ends it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from agent import settings
from agent.enrich import Surroundings, all_enrichments
from agent.errors import RungUnavailable
from agent.governing.governor import Governor
from agent.governing.interactive import InteractiveSessions
from agent.governing.shedding import Shedding
from agent.identity_watch import IdentityWatch
from agent.intake import Intake, Tables
from agent.ladder import climb
from agent.live_feed import Climbed, LiveFeed
from agent.machine import read as read_facts
from agent.own_processes import OwnProcesses
from agent.processes import ProcessTable
from agent.redaction import Redactor
from agent.reporting.self_report import Before, Cost, SelfReport, Setting, Subject, start
from agent.sealing.batching import Batching
from agent.sealing.keeper import Keeper
from agent.sealing.lanes import LANES, Lanes
from agent.sealing.last_run import LastRun
from agent.sealing.losses import LossBook
from agent.sealing.sealer import Sealer, Signing
from agent.sensor import Context, Moment, Observed, Rung, Sensor
from agent.settings import Settings
from agent.watch import Parts, Retuning, Watch
from evidence.codec import LINE_LIMIT
from evidence.kind import Body, kind_of
from evidence.kinds.agent import ClockStep, Heartbeat, Loss
from evidence.kinds.agent import Sensor as SensorEvent
from evidence.kinds.policy import Applied
from evidence.kinds.process import Exec
from evidence.statement import Statement
from tests.agent.chain import AGENT, FOLDER, KEY, Host
from tests.agent.enrolled_host import sealed
from tests.agent.fake_disk import FakeDisk

SECOND = 1_000_000_000
LIMITS = settings.Spool(max_bytes=64 << 20, free_floor_bytes=1, segment_bytes=1 << 20)


class ScriptedFeed:
    """A feed of what a test puts into it; `broken` makes it raise."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.period: float | None = 0.5
        self.closed = False

    def filenos(self) -> tuple[int, ...]:
        return ()

    def read(self, now: Moment) -> Iterable[Observed]:
        if self.bench.broken:
            raise ValueError("the kernel spoke in tongues")
        waiting, self.bench.waiting = self.bench.waiting, []
        return [Observed(body, mono=now.mono) for body in waiting]

    def losses(self, now: Moment) -> Iterable[Loss]:
        lost, self.bench.lost = self.bench.lost, 0
        return [Loss(sensor="process", cause="ring_full", count=lost, from_=1, to=now.time)] if lost else []

    def trigger(self) -> Callable[[Body], bool]:
        if not self.bench.deaf:
            self.bench.waiting.append(Exec(pid=7, argv=("self-test",)))
        self.bench.triggered += 1
        return lambda body: isinstance(body, Exec) and body.argv == ("self-test",)

    def close(self) -> None:
        self.closed = True


class Quiet:
    """An outside world that only counts."""

    def __init__(self) -> None:
        self.alives = self.shown = 0

    def ready(self, summary: str) -> None: ...

    def alive(self, summary: str) -> None:  # noqa: ARG002 - the interface names it
        self.alives += 1

    def stopping(self) -> None: ...

    def show(self, report: SelfReport, feeds: tuple[LiveFeed, ...], batching: Batching, now: int) -> None:
        report.status(now, feeds, batching)
        self.shown += 1

    def give_back(self, now: Moment) -> None:
        pass

    def cost(self, now: Moment) -> Cost:  # noqa: ARG002 - as above
        return Cost(None, 0.0, 0.0)

    def adopt(self) -> None: ...


class NoHash:
    def hash(self, *_: object, **__: object) -> str | None:
        return "a" * 64


class Bench:
    """A whole watch without a host; a second passes before each turn, and the test's step is called."""

    def __init__(
        self,
        folder: Path,
        batch: settings.Batch | None = None,
        shape: type[ScriptedFeed] = ScriptedFeed,
    ) -> None:
        self.shape = shape
        self.waiting: list[Body] = []
        self.broken = self.deaf = False
        self.lost = self.triggered = self.turn = 0
        self.now = Moment(10_000 * SECOND, 10 * SECOND)
        self.disk = FakeDisk()
        self.host = Host(self.disk, limits=LIMITS)
        self.outside = Quiet()
        self.sessions = InteractiveSessions(100)
        self.governor = Governor(0.5)
        self.shedding = Shedding(self.governor, self.sessions)
        self.cpu = 0
        self.settings = Settings(batch=batch or settings.Batch(), heartbeat=5.0)
        self.folder = folder
        self.step: Callable[[int], str | None] = lambda _: "done"
        self.retunings: list[Retuning] = []
        self.tuned: list[Settings] = []

    def run(self, step: Callable[[int], str | None]) -> bool:
        self.step = step
        return Watch(self._parts()).run()

    def _stopped(self) -> str | None:
        self.turn += 1
        self.now = Moment(self.now.time + SECOND, self.now.mono + SECOND)
        return self.step(self.turn)

    def _parts(self) -> Parts:
        lanes, losses = Lanes(self.settings.batch), LossBook()
        processes = ProcessTable(1000, lambda _: None)
        tables = Tables(processes, OwnProcesses({99_999}), self.sessions, IdentityWatch())
        redactor = Redactor(b"k" * 32, settings.Redaction())
        intake = Intake(
            lanes,
            losses,
            tables,
            all_enrichments(),
            Surroundings(processes, redactor, frozenset(), {1000: "alice"}.get),
            hasher=NoHash(),
            last_seq=0,
            publish=lambda _: None,
            shedding=self.shedding,
        )
        sealer = Sealer(self.host.outbox, self.host.open, Signing(AGENT, 1, KEY, "boot"), lambda: None)
        facts = read_facts()
        return Parts(
            clock=lambda: self.now,
            heartbeat=self.settings.heartbeat,
            feeds=(LiveFeed(self._sensor(), self._climb),),
            intake=intake,
            losses=losses,
            batching=Batching(lanes, losses, sealer, Keeper(), LastRun(self.folder)),
            report=SelfReport(Subject(facts, AGENT, 1, 1), intake, lanes, tables),
            outside=self.outside,
            begin=lambda now: [
                start(
                    facts,
                    Before(clean=True, last_seq=0, blind_from=None),
                    now,
                    Setting("host", "+0000", "0" * 64),
                )
            ],
            stopped=self._stopped,
            govern=lambda mono: self.shedding.measure(mono, self.cpu),
            policy=lambda _: self.retunings.pop(0) if self.retunings else Retuning(),
        )

    def _sensor(self) -> Sensor:
        def refuse(_: Context) -> ScriptedFeed:
            raise RungUnavailable("not here", "try elsewhere")

        return Sensor("process", (Rung("best", refuse), Rung("next", lambda _: self.shape(self))))

    def _climb(self, sensor: Sensor) -> Climbed:
        context = Context(self.settings, self.folder, ProcessTable(10, lambda _: None), lambda: self.now)
        return climb(sensor, context, lambda _: self._pass())

    def _pass(self) -> None:
        self.now = Moment(self.now.time + SECOND // 10, self.now.mono + SECOND // 10)

    def sealed(self) -> list[tuple[Statement, list[Body]]]:
        found = [part for lane in LANES for part in sealed(FOLDER, lane, self.disk)]
        return [(said, [event.body for event in events]) for said, events in found]

    def seqs(self) -> list[int]:
        return sorted(
            event.seq for lane in LANES for _, events in sealed(FOLDER, lane, self.disk) for event in events
        )

    def bodies(self) -> list[Body]:
        return [body for _, bodies in self.sealed() for body in bodies]

    def kinds(self) -> list[str]:
        return [kind_of(body) for body in self.bodies()]


def test_all_that_was_seen_is_sealed_between_start_and_farewell(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    def step(turn: int) -> str | None:
        bench.waiting.append(Exec(pid=turn, start=turn, exe="/bin/x"))
        return "SIGTERM" if turn == 20 else None

    assert bench.run(step)
    assert bench.seqs() == list(range(1, len(bench.seqs()) + 1))
    execs = sorted(body.pid for body in bench.bodies() if isinstance(body, Exec))
    assert execs == list(range(1, 21))
    priority = [
        kind_of(body) for said, bodies in bench.sealed() if said.lane == "priority" for body in bodies
    ]
    assert priority[:2] == ["agent.start", "agent.sensor"]
    assert priority[-1] == "agent.stop"
    assert "agent.heartbeat" in priority
    assert bench.host.open().clean


def test_a_degraded_sensor_says_what_was_tried_and_what_would_help(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(lambda turn: "end" if turn > 2 else None)
    event = next(body for body in bench.bodies() if isinstance(body, SensorEvent))
    assert (event.rung, event.degraded) == ("next", True)
    assert [(one.rung, one.works, one.fix) for one in event.tried] == [
        ("best", False, "try elsewhere"),
        ("next", True, None),
    ]


def test_a_feed_that_raises_is_told_and_opened_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    def step(turn: int) -> str | None:
        bench.broken = turn == 3
        if turn > 12:
            bench.waiting.append(Exec(pid=turn, start=turn))
        return "end" if turn == 16 else None

    assert bench.run(step)
    states = [body for body in bench.bodies() if isinstance(body, SensorEvent)]
    assert [state.rung for state in states] == ["next", None, "next"]
    assert "tongues" in str(states[1].tried[-1].reason)
    losses = [body for body in bench.bodies() if isinstance(body, Loss)]
    assert losses[0].cause == "sensor failed"
    assert (losses[-1].to or 0) - (losses[-1].from_ or 0) >= 5 * SECOND, "from the failure to the new feed"
    assert any(loss.cause == "process: sensor failed" for said, _ in bench.sealed() for loss in said.loss)
    assert {13, 14, 15, 16} <= {body.pid for body in bench.bodies() if isinstance(body, Exec)}


class TunedFeed(ScriptedFeed):
    """A feed that takes other settings."""

    def retune(self, settings: Settings) -> None:
        if settings.heartbeat == 4.0:
            raise RungUnavailable("not these")
        self.bench.tuned.append(settings)


def of_policy(heartbeat: float) -> Retuning:
    body = Applied(name="fleet", version=1, digest="d", cause="taken", key="k", until=9)
    return Retuning((body,), frozenset({"process"}), Settings(heartbeat=heartbeat))


@pytest.mark.parametrize(("shape", "heartbeat"), [(ScriptedFeed, 3.0), (TunedFeed, 4.0)])
def test_a_feed_that_does_not_take_other_settings_is_opened_anew_and_loses_nothing_unsaid(
    tmp_path: Path, shape: type[ScriptedFeed], heartbeat: float
) -> None:
    bench = Bench(tmp_path, shape=shape)

    def step(turn: int) -> str | None:
        if turn == 3:
            bench.retunings.append(of_policy(heartbeat))
            bench.waiting.append(Exec(pid=77, start=77))
        return "end" if turn == 8 else None

    assert bench.run(step)
    bodies = bench.bodies()
    assert [body.rung for body in bodies if isinstance(body, SensorEvent)] == ["next", "next"]
    assert "opened anew for a policy" in [body.cause for body in bodies if isinstance(body, Loss)]
    assert 77 in [body.pid for body in bodies if isinstance(body, Exec)]
    assert any(isinstance(body, Applied) for body in bodies)


def test_a_feed_that_takes_other_settings_stays_open(tmp_path: Path) -> None:
    bench = Bench(tmp_path, shape=TunedFeed)

    def step(turn: int) -> str | None:
        if turn == 3:
            bench.retunings.append(of_policy(2.0))
        return "end" if turn == 12 else None

    assert bench.run(step)
    assert [one.heartbeat for one in bench.tuned] == [2.0]
    bodies = bench.bodies()
    assert len([body for body in bodies if isinstance(body, SensorEvent)]) == 1
    assert [body for body in bodies if isinstance(body, Loss)] == []
    assert len([body for body in bodies if isinstance(body, Heartbeat)]) >= 3


def test_a_sensors_losses_are_events_and_signed(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    def step(turn: int) -> str | None:
        if turn == 2:
            bench.lost = 42
        return "end" if turn == 6 else None

    bench.run(step)
    event = next(body for body in bench.bodies() if isinstance(body, Loss))
    assert (event.cause, event.count) == ("ring_full", 42)
    signed = [loss for said, _ in bench.sealed() for loss in said.loss]
    assert [(loss.cause, loss.counts) for loss in signed] == [("process: ring_full", {"process": 42})]


def test_a_flood_while_the_disk_is_full_is_shed_by_count_and_priority_survives(tmp_path: Path) -> None:
    bench = Bench(tmp_path, settings.Batch(queue_events=100))

    def step(turn: int) -> str | None:
        bench.disk.capacity = 0 if turn < 10 else 1 << 40
        if turn < 20:
            bench.waiting += [Exec(pid=turn * 1000 + n, start=1, exe="/bin/noisy") for n in range(50)]
        return "end" if turn == 60 else None

    assert bench.run(step)
    execs = [body for body in bench.bodies() if isinstance(body, Exec)]
    told = [body for body in bench.bodies() if isinstance(body, Loss)]
    signed = sum(loss.counts.get("process.exec", 0) for said, _ in bench.sealed() for loss in said.loss)
    assert len(execs) < 950
    assert len(execs) + sum(loss.count or 0 for loss in told) == 950
    assert len(execs) + signed == 950
    assert told[0].top == {"/bin/noisy": told[0].count}
    assert told[0].suggestion
    assert len({body.pid for body in execs}) == len(execs), "none twice"
    assert [kind for kind in bench.kinds() if kind == "agent.start"] == ["agent.start"]
    assert sum(isinstance(body, Heartbeat) for body in bench.bodies()) >= 10


def test_an_event_beyond_a_lines_limit_is_a_loss_not_a_fault(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    def step(turn: int) -> str | None:
        if turn == 2:
            bench.waiting += [Exec(pid=5, argv=("x" * LINE_LIMIT,)), Exec(pid=6, argv=("fits",))]
        return "end" if turn == 6 else None

    assert bench.run(step)
    assert [body.pid for body in bench.bodies() if isinstance(body, Exec)] == [6]
    assert [body.cause for body in bench.bodies() if isinstance(body, Loss)] == ["event too large"]


def test_a_step_of_the_clock_is_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    def step(turn: int) -> str | None:
        if turn == 3:
            bench.now = Moment(bench.now.time - 3600 * SECOND, bench.now.mono)
        return "end" if turn == 6 else None

    bench.run(step)
    steps = [body.step for body in bench.bodies() if isinstance(body, ClockStep)]
    assert steps == [-3600 * SECOND]


def test_a_silent_feed_must_see_its_own_trigger(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(lambda turn: "end" if turn == 80 else None)
    assert bench.triggered == 2, "once by the ladder, once after ten silent heartbeats"
    assert not any(isinstance(body, Exec) for body in bench.bodies()), "a self-test is no event"
    assert [body.rung for body in bench.bodies() if isinstance(body, SensorEvent)] == ["next"]


def test_a_feed_that_went_deaf_is_opened_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    def step(turn: int) -> str | None:
        bench.deaf = 3 < turn < 64
        return "end" if turn == 80 else None

    bench.run(step)
    states = [body for body in bench.bodies() if isinstance(body, SensorEvent)]
    assert [state.rung for state in states] == ["next", None, "next"]
    assert "own trigger" in str(states[1].tried[-1].reason)


def test_the_loop_reports_that_it_lives(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run(lambda turn: "end" if turn == 20 else None)
    assert bench.outside.alives >= 15
    assert bench.outside.shown >= 3


def test_a_turn_that_only_a_timer_began_does_not_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("agent.watch.time.sleep", slept.append)
    assert Bench(tmp_path).run(lambda turn: "end" if turn == 12 else None)
    assert slept == []

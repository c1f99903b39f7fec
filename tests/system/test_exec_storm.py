"""Storms of processes, counted: nothing lost, or the exact number told."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from agent import settings
from agent.enrich import Surroundings, all_enrichments
from agent.environment import EnvironmentNames
from agent.exe_hash import ExeHasher
from agent.governing.governor import Governor
from agent.governing.interactive import InteractiveSessions
from agent.governing.shedding import Shedding
from agent.identity_watch import IdentityWatch
from agent.intake import Intake, Tables
from agent.kernel.procfs import read_process
from agent.own_processes import OwnProcesses
from agent.processes import ProcessTable
from agent.redaction import Redactor
from agent.sealing.lanes import Lanes
from agent.sealing.losses import LossBook
from agent.sensor import Feed
from agent.sensors.process import SENSOR
from agent.timeline import Timeline
from evidence import codec
from evidence.event import Event
from evidence.kind import Body
from evidence.kinds.process import Exec, Exit
from tests.agent.feeds_at_work import moment, opened, rung_of, wait

pytestmark = pytest.mark.root

EXECS, WORKERS = 20_000, 2
_TURNS = 100
"""At the end of a storm: a turn reads 1,024 records and more, so these read all that a storm leaves."""


class Pipeline:
    """The process sensor and all that watch does with an event before it is sealed."""

    def __init__(
        self, feed: Feed, sessions: InteractiveSessions | None = None, shedding: Shedding | None = None
    ) -> None:
        self.feed = feed
        self.lanes, self.losses = Lanes(settings.Batch()), LossBook()
        sessions = sessions or InteractiveSessions(500)
        self.timeline = Timeline(moment())
        self.arrived: list[bytes] = []
        processes = self.processes = ProcessTable(65_536, read_process)
        around = Surroundings(
            processes,
            Redactor(b"k" * 32, settings.Redaction()),
            EnvironmentNames(()),
            lambda _: None,
        )
        self.intake = Intake(
            self.lanes,
            self.losses,
            Tables(processes, OwnProcesses(()), sessions, IdentityWatch()),
            all_enrichments(),
            around,
            hasher=ExeHasher(lambda: 0),
            last_seq=0,
            publish=lambda _: None,
            shedding=shedding or Shedding(Governor(1.0), sessions),
        )

    def turn(self) -> None:
        """Read and take in what has come, and take what is due out of the lanes."""
        wait(self.feed)
        now = moment()
        self.intake.take(self.feed.read(now), self.timeline, now)
        while (lane := self.lanes.due(now.mono)) is not None:
            self.arrived += [item.line for item in self.lanes.queue(lane).take()]

    def finish(self) -> list[Event[Body]]:
        """Return all events, once the ring is empty, or read often enough on a host that is never at rest."""
        before = -1
        for _ in range(_TURNS):
            if self.intake.events + self.intake.shed == before:
                break
            before = self.intake.events + self.intake.shed
            self.turn()
        for lane in (self.lanes.priority, self.lanes.bulk):
            while batch := lane.take():
                self.arrived += [item.line for item in batch]
        decoded = codec.decode(b"\n".join(self.arrived))
        assert decoded.malformed == []
        return [event for event in decoded.events if isinstance(event, Event)]


def spawn(mark: str, first: int, count: int) -> None:
    for number in range(first, first + count):
        os.waitpid(os.posix_spawn("/bin/true", ["/bin/true", mark, str(number)], {}), 0)


def test_twenty_thousand_execs_at_full_speed_each_with_its_arguments(tmp_path: Path) -> None:
    mark, share = f"storm-{os.getpid()}", EXECS // WORKERS
    with opened(rung_of(SENSOR, "bpf"), tmp_path) as watched:
        pipeline = Pipeline(watched.feed)
        workers = [
            multiprocessing.Process(target=spawn, args=(mark, at * share, share)) for at in range(WORKERS)
        ]
        for worker in workers:
            worker.start()
        while any(worker.is_alive() for worker in workers):
            pipeline.turn()
        events = pipeline.finish()
        losses = list(watched.feed.losses(moment()))
    bodies = [event.body for event in events]
    execs = [body for body in bodies if isinstance(body, Exec) and body.argv[1:2] == (mark,)]
    assert losses == []
    assert pipeline.intake.shed == 0
    assert sorted(int(body.argv[2]) for body in execs) == list(range(EXECS))
    assert all(body.sha256 and body.exe and body.cwd and body.ancestry for body in execs)
    ended = {(body.pid, body.start) for body in bodies if isinstance(body, Exit)}
    assert all((body.pid, body.start) in ended for body in execs)
    assert sorted(event.seq for event in events) == list(range(1, len(events) + 1))

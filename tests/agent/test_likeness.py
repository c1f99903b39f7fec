"""Execs that are made from one another are queued as if each had been decoded and enriched by itself."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import settings
from agent.enrich import Surroundings, all_enrichments
from agent.governing.governor import Governor
from agent.governing.interactive import InteractiveSessions
from agent.governing.shedding import Shedding
from agent.identity_watch import IdentityWatch
from agent.intake import Intake, Tables
from agent.likeness import FRESH, Likeness
from agent.own_processes import OwnProcesses
from agent.processes import ProcessTable
from agent.redaction import Redactor
from agent.sealing.lanes import Lanes
from agent.sealing.losses import LossBook
from agent.sensor import Moment, Observed
from agent.timeline import Timeline
from evidence import codec
from evidence.event import Event
from evidence.kind import Body
from evidence.kinds.process import Ancestor, Exec

CONTAINER = "c" * 64
SHELL = Exec(pid=2, start=20, exe="/bin/sh", sha256="a")
PLAIN = Exec(pid=9, exe="/bin/id", sha256="b", uid=1000, auid=1000, ppid=2, parent_start=20)


class NoHash:
    def hash(self, *_: object, **__: object) -> str | None:
        return None


class Host:
    """An intake whose time stands still between steps, and what it queued."""

    def __init__(self) -> None:
        self.now = Moment(10**18, 10**12)
        self.names = {1000: "alice"}
        self.paths: dict[int, str] = {}
        self.queued: list[Body] = []
        processes = ProcessTable(100, lambda _: None)
        sessions = InteractiveSessions(100)
        around = Surroundings(
            processes,
            Redactor(b"k" * 32, settings.Redaction()),
            {"LD_PRELOAD"},
            self.names.get,
            lambda pid, _: self.paths.get(pid),
        )
        self._intake = Intake(
            Lanes(settings.Batch()),
            LossBook(),
            Tables(processes, OwnProcesses(()), sessions, IdentityWatch()),
            all_enrichments(),
            around,
            hasher=NoHash(),
            last_seq=0,
            publish=self._publish,
            shedding=Shedding(Governor(0.5), sessions),
        )

    def _publish(self, line: bytes) -> None:
        (event,) = codec.decode(line).events
        assert isinstance(event, Event)
        self.queued.append(event.body)

    def take(self, body: Exec, like: Likeness | None = None) -> Exec:
        """Return what an exec is queued as."""
        self._intake.take([Observed(body, self.now.mono, like=like)], Timeline(self.now), self.now)
        last = self.queued[-1]
        assert isinstance(last, Exec)
        return last


def next_of(like: Likeness, pid: int, **own: object) -> Exec:
    """Return the next exec as the decoder makes it."""
    return msgspec.structs.replace(like.full or like.plain, pid=pid, start=pid, **own)


def after_the_first(host: Host) -> Likeness:
    like = Likeness(PLAIN)
    host.take(SHELL)
    host.take(next_of(like, 10), like)
    assert like.full is not None
    return like


def rename(host: Host) -> None:
    host.names[1000] = "bob"
    host.now = Moment(host.now.time + FRESH, host.now.mono + FRESH)


def parent_executes(host: Host) -> None:
    host.take(msgspec.structs.replace(SHELL, exe="/bin/dash"))


def nothing(_: Host) -> None:
    pass


@pytest.mark.parametrize("change", [nothing, rename, parent_executes])
def test_the_next_is_enriched_as_by_itself_whatever_changed(change: Callable[[Host], None]) -> None:
    together, alone = Host(), Host()
    like = after_the_first(together)
    after_the_first(alone)
    for host in (together, alone):
        change(host)
    own = {"argv": ("id", "--password=x1y2z3"), "environment": {"LD_PRELOAD": "/x", "HOME": "/"}}
    for pid in (11, 12):
        made = together.take(next_of(like, pid, **own), like)
        assert made == alone.take(msgspec.structs.replace(PLAIN, pid=pid, start=pid, **own))
        assert made.argv[1] != "--password=x1y2z3"
        assert made.environment == {"LD_PRELOAD": "/x"}
    assert together.take(next_of(like, 13), like).environment is None


def test_the_first_is_remembered_only_where_its_ancestry_is_whole() -> None:
    host = Host()
    like = Likeness(PLAIN)
    host.take(next_of(like, 10), like)
    assert like.full is None
    host.take(SHELL)
    assert host.take(next_of(like, 11), like).ancestry == (Ancestor(pid=2, start=20, exe="/bin/sh"),)
    assert next_of(like, 12).user == "alice"


def test_a_path_on_the_host_that_was_not_found_may_be_found_for_another() -> None:
    host = Host()
    like = Likeness(msgspec.structs.replace(PLAIN, cgroup=f"/docker/{CONTAINER}"))
    host.take(SHELL)
    assert host.take(next_of(like, 10), like).host_exe is None
    host.paths[11] = "/var/lib/layer/bin/id"
    assert host.take(next_of(like, 11), like).host_exe == "/var/lib/layer/bin/id"
    assert next_of(like, 12).host_exe == "/var/lib/layer/bin/id"


@given(st.integers(0, 3), st.integers(0, 2 * FRESH))
def test_what_was_learned_holds_for_its_version_and_time(version: int, mono: int) -> None:
    like = Likeness(PLAIN)
    assert not like.holds(version, mono)
    like.learn(msgspec.structs.replace(PLAIN, user="alice", environment={"A": "b"}, escaped=("argv",)), 1, 5)
    assert like.holds(version, mono) == (version == 1 and mono < 5 + FRESH)
    body = next_of(like, 7, argv=("x",))
    assert body.environment is None
    assert body.escaped == ()
    assert like.anew(body) == msgspec.structs.replace(PLAIN, pid=7, start=7, argv=("x",))
    assert not like.holds(1, 0)

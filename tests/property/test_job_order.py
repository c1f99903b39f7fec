"""Whose a job is does not hang on what is told first: the login, the writing, or the run."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.attribution.attribution import Attribution
from collector.record import Origin, Person
from evidence.event import Event, stamp
from evidence.kind import Actor, Body, Endpoint
from evidence.kinds.connection import Close
from evidence.kinds.file import Change, Create, FileState
from evidence.kinds.login import Accepted, SessionOpen
from evidence.kinds.process import Ancestor, Exec
from evidence.kinds.state import Changed

SECOND = 1_000_000_000
NOON = 29_833_200 * 60 * SECOND
TABLE = "/var/spool/cron/crontabs/alice"
SYSTEM = "/etc/cron.d/grab"
SCRIPT = "/etc/cron.hourly/grab"
AT_FILE = f"/var/spool/cron/atjobs/a00001{29_833_200:08x}"
HOME = Endpoint(ip="198.51.100.7", port=50_000)
CRON = (Ancestor(pid=51, start=SECOND), Ancestor(pid=50, start=SECOND, exe="/usr/sbin/cron"))
ATD = (Ancestor(pid=51, start=SECOND), Ancestor(pid=50, start=SECOND, exe="/usr/sbin/atd"))
PARTS = (Ancestor(pid=54, exe="/usr/bin/run-parts"), Ancestor(pid=53, exe="/usr/bin/dash"), *CRON)
WRITER = Actor(pid=90, start=SECOND, exe="/usr/bin/crontab", uid=1000, auid=1000, session=7)
Told = tuple[float, Body]


def shell(
    pid: int, *argv: str, above: tuple[Ancestor, ...], session: int | None, user: str = "alice"
) -> Exec:
    uid = 0 if user == "root" else 1000
    return Exec(
        pid=pid, start=2 * SECOND, ppid=51, exe="/usr/bin/dash", argv=("/bin/sh", *argv), uid=uid,
        auid=uid if session is not None else None, session=session, user=user, ancestry=above,
    )  # fmt: skip


def opened(session: int, at: float) -> Told:
    return at, SessionOpen(program="cron", user="alice", pid=51, auid=1000, session=session)


LOGIN: tuple[Told, ...] = (
    (0, Accepted(program="sshd", user="alice", pid=67, fingerprint="SHA256:alice", source=HOME)),
    (0.1, SessionOpen(program="sshd", user="alice", pid=67, auid=1000, session=7)),
)
BY_FILE: tuple[Told, ...] = (
    (10, Create(path=TABLE, actor=WRITER)),
    (14, Changed(source="cron", subject=TABLE, change="appeared", path=TABLE, added=("* * * * * /bin/x",))),
)
BY_STATE: tuple[Told, ...] = (
    (14, Changed(source="cron", subject=SYSTEM, change="appeared", path=SYSTEM,
                 added=("* * * * * alice /bin/x",), actor=WRITER)),
)  # fmt: skip
GONE: Told = (20, Change(path=TABLE, removed=("* * * * * /bin/x",)))
RUN: tuple[Told, ...] = (
    opened(40, 12),
    (12.1, shell(200, "-c", "/bin/x", above=CRON, session=40)),
)
BY_AT: tuple[Told, ...] = (
    (-30, Create(path=AT_FILE, after=FileState(uid=1000), actor=WRITER)),
    opened(42, 5),
    (5.1, shell(220, above=ATD, session=42)),
)
BY_SCRIPT: tuple[Told, ...] = (
    (10, Create(path=SCRIPT, actor=WRITER)),
    (12.1, shell(200, SCRIPT, above=PARTS, session=41, user="root")),
)
STORIES = {
    "file, then its lines": ((*LOGIN, *BY_FILE, *RUN, GONE), 40),
    "lines": ((*LOGIN, *BY_STATE, *RUN), 40),
    "at": ((*LOGIN, *BY_AT), 42),
    "script": ((*LOGIN, *BY_SCRIPT), 41),
}


def played(story: Sequence[Told], order: Sequence[int], last: Actor) -> tuple[Person | None, bytes]:
    """Return whose the job's connection is once all was told, and what is known of the sessions."""
    engine = Attribution()
    for at in order:
        told = story[at]
        engine.attribute(Origin("a1", 1, "b1", "web1", at, 10), event(told, at + 1))
    sent = Close(
        flow=1, protocol="tcp", direction="out", local=HOME, remote=HOME, bytes_out=5, bytes_in=5, actor=last
    )  # fmt: skip
    person = engine.attribute(Origin("a1", 1, "b1", "web1", 99, 10), event((99, sent), 99))
    revisions = sorted(engine.revisions(10), key=lambda one: one.session)
    return person, msgspec.json.encode([msgspec.structs.replace(one, revised=0) for one in revisions])


def event(told: Told, seq: int) -> Event[Body]:
    return stamp(told[1], seq=seq, time=NOON + int(told[0] * SECOND), mono=seq)


@given(st.sampled_from(sorted(STORIES)), st.data())
@settings(max_examples=100, deadline=None)
def test_a_job_is_whose_writing_it_was_in_any_order(name: str, data: st.DataObject) -> None:
    story, session = STORIES[name]
    order = data.draw(st.permutations(range(len(story))))
    last = Actor(pid=220 if session == 42 else 200, start=2 * SECOND, auid=1000, session=session)
    person, known = played(story, order, last)
    assert person is not None
    assert (person.name, person.how, person.fingerprint) == ("alice", "job", "SHA256:alice"), order
    assert (person, known) == played(story, range(len(story)), last), order


@given(st.permutations(range(4)))
@settings(max_examples=24, deadline=None)
def test_a_job_without_a_session_is_its_writers_with_what_it_starts(order: list[int]) -> None:
    child = Exec(pid=201, start=3 * SECOND, ppid=200, parent_start=2 * SECOND, exe="/usr/bin/curl")
    run = shell(200, "-c", "/bin/x", above=CRON, session=None)
    story: tuple[Told, ...] = (*LOGIN, *BY_STATE, (12.1, run))
    engine = Attribution()
    for at in order:
        engine.attribute(Origin("a1", 1, "b1", "web1", at, 10), event(story[at], at + 1))
        if at == len(story) - 1:  # one sensor tells both
            engine.attribute(Origin("a1", 1, "b1", "web1", at, 10), event((12.2, child), 20))
    actor = Actor(pid=201, start=3 * SECOND)
    sent = Close(flow=1, protocol="tcp", direction="out", local=HOME, remote=HOME, bytes_out=5, actor=actor)
    found = engine.attribute(Origin("a1", 1, "b1", "web1", 99, 10), event((99, sent), 99))
    assert found is not None
    assert (found.name, found.how, found.fingerprint) == ("alice", "job", "SHA256:alice")


def test_a_line_that_came_long_after_the_run_did_not_cause_it() -> None:
    late = (120.0, BY_STATE[0][1])
    story = (*LOGIN, *RUN, late)
    person, _ = played(story, range(len(story)), Actor(pid=200, start=2 * SECOND, auid=1000, session=40))
    assert person is not None
    assert (person.name, person.how, person.scheduler) == ("alice", "kernel", "cron")

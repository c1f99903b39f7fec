"""The pipeline: every row once, whatever breaks off when; replay gives the same rows and alerts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from collector.alert import Alert
from collector.errors import StoreError
from collector.lake import generation, snapshot
from collector.lake.lake import Lake
from collector.lake.local_shelf import LocalShelf
from collector.lake.shelf import Commit
from collector.pipeline.checkpoint import Checkpoint
from collector.pipeline.findings import UNDECODABLE
from collector.pipeline.pipeline import Pipeline
from collector.pipeline.replay import replay
from collector.pipeline.storing import Storing
from collector.sigma.ruleset import Ruleset
from evidence.entry import EntryType
from evidence.kinds.process import Exec

from .workbench import Bench, UidEngine, enrol, some_bodies

ALICE, BOB = "a" * 32, "b" * 32
EVIL = Exec(pid=9, exe="evil", argv=("evil", "x"), uid=1000)


class Killed(BaseException):
    """Stands for the end of the process: nothing after it runs."""


def fill(bench: Bench) -> None:
    """Write a ledger with a bit of everything."""
    enrol(bench.ledger, ALICE, "web-1")
    for at in range(6):
        bench.ledger.batch(ALICE, some_bodies(7 + at))
        bench.ledger.batch(BOB, [*some_bodies(5), EVIL] if at % 2 else some_bodies(3))
    bench.ledger.raw(ALICE, b"", 3, data=b"no zstd")
    bench.ledger.raw(BOB, b'{"seq":90,"time":1,"mono":1,"body":{"kind":"new.kind","x":1}}\n', 1)
    bench.ledger.batch(BOB, some_bodies(2), kind=EntryType.EQUIVOCATION)
    bench.ledger.batch(BOB, [*some_bodies(4), EVIL])
    for _ in range(12):
        bench.ledger.batch(BOB, some_bodies(1))


def everything(bench: Bench) -> dict[str, list[tuple[object, ...]]]:
    return {name: bench.rows(name) for name in snapshot.VIEWS}


def test_rows_of_events_batches_and_alerts(bench: Bench) -> None:
    fill(bench)
    bench.run()
    assert bench.rows("events", "count(*), count(DISTINCT (agent, seq)), count(person)") == [
        (57 + 27 + 1 + 5 + 12, 57 + 27 + 1 + 5 + 12, 27 + 3 + 3 * 3)
    ]
    assert bench.rows("events", "DISTINCT host") == [("",), ("web-1",)]
    unknown = bench.rows("events WHERE kind = 'new.kind'", "body, contested")
    assert unknown == [('{"kind":"new.kind","x":1}', False)]
    assert bench.rows("batches GROUP BY state", "state, count(*)") == [
        ("decoded", 26), ("evidence", 1), ("undecodable", 1)
    ]  # fmt: skip
    assert bench.rows("alerts", "rule, agent, person") == [
        ("evil", BOB, "uid1000"), ("evil", BOB, "uid1000"), ("evil", BOB, "uid1000"),
        ("fork", BOB, None), ("silent", ALICE, None), ("silent", BOB, None), (UNDECODABLE, ALICE, None),
    ]  # fmt: skip
    assert len(bench.notified) == 7


def test_contested_events_are_marked_and_name_nobody(bench: Bench) -> None:
    fill(bench)
    bench.run()
    assert bench.rows("events WHERE contested", "count(*), count(person)") == [(5 + 12, 0)]


def reference(bench: Bench) -> dict[str, list[tuple[object, ...]]]:
    """Return the rows of a run that nothing interrupts, over the same ledger."""
    whole = Bench(bench.folder / "whole")
    whole.folder.mkdir()
    whole.ledger = bench.ledger
    whole.run()
    return everything(whole)


STEPS: dict[str, tuple[type, str, int]] = {
    "before the first commit": (Lake, "commit", 1),
    "before the third commit": (Lake, "commit", 3),
    "after the first commit": (Storing, "_publish", 1),
    "after the third commit": (Storing, "_publish", 3),
    "before a state is begun": (Checkpoint, "begin", 1),
    "before a state is kept": (Checkpoint, "keep", 3),
    "before the last state is written": (Checkpoint, "write", 1),
}
"""What dies, at which of its calls."""


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_resumes_without_loss_or_double_effect(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    fill(bench)
    bench.settings = bench.settings.__class__(commit_seconds=1e-6, commit_rows=9, checkpoint_seconds=1e-6)
    owner, name, count = STEPS[step]
    original: Callable[..., object] = getattr(owner, name)
    calls = 0

    def dies(*given: object) -> object:
        nonlocal calls
        calls += 1
        if calls == count:
            raise Killed
        return original(*given)

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, dies)
        with pytest.raises(Killed):
            bench.run()
    bench.run()
    assert everything(bench) == reference(bench)
    assert len(set(bench.notified)) == len(bench.notified)


def test_a_lost_or_broken_engine_state_is_made_anew_from_the_ledger(bench: Bench) -> None:
    fill(bench)
    bench.run()
    before = everything(bench)
    state = bench.folder / "lake" / "000001" / "engine.state"
    for damage in (state.unlink, lambda: state.write_bytes(b"\x00broken")):
        damage()
        bench.run()
        assert everything(bench) == before
        assert len(bench.notified) == 7


def test_a_state_newer_than_the_lake_is_not_believed(bench: Bench) -> None:
    fill(bench)
    bench.run()
    state = (bench.folder / "lake" / "000001" / "engine.state").read_bytes()
    other = Bench(bench.folder / "other")
    (other.folder / "lake" / "000001").mkdir(parents=True)
    (other.folder / "lake" / "000001" / "engine.state").write_bytes(state)
    other.ledger = bench.ledger
    other.run()
    assert everything(other) == everything(bench)


def test_a_ledger_shorter_than_the_lake_stops_the_start(bench: Bench) -> None:
    fill(bench)
    bench.run()
    (bench.folder / "lake" / "000001" / "engine.state").unlink()
    del bench.ledger.entries[3:]
    with pytest.raises(StoreError, match="the ledger has 3 entries"):
        bench.open()


def test_a_full_disk_delays_and_loses_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(bench)
    original = Lake.commit
    failures = iter([True, True, False])

    def full(lake: Lake, commit: Commit) -> None:
        if next(failures, False):
            raise StoreError("No space left on device")
        original(lake, commit)

    pipeline = bench.open()
    monkeypatch.setattr(Lake, "commit", full)
    monkeypatch.setattr(pipeline._stop, "wait", lambda _seconds: False)  # noqa: SLF001 - time does not pass here
    while pipeline.position < len(bench.ledger.entries):
        pipeline.turn(0)
    pipeline.flush()
    pipeline.close()
    assert everything(bench) == reference(bench)


def test_silence_is_noticed_without_any_new_entry(bench: Bench) -> None:
    bench.ledger.batch(ALICE, some_bodies(2))
    pipeline = bench.open()
    pipeline.turn(0)
    later = bench.ledger.now() + 60 * 10**9
    pipeline._clock = lambda: later  # noqa: SLF001 - a minute passes
    pipeline.tick()
    pipeline.flush()
    pipeline.close()
    assert bench.rows("alerts", "rule") == [("silent",)]


def test_small_files_are_merged_while_it_runs_and_readers_see_all_rows(bench: Bench) -> None:
    bench.settings = bench.settings.__class__(commit_seconds=1e-6, commit_rows=5, merge_seconds=1e-6)
    fill(bench)
    bench.run()
    assert everything(bench) == reference(bench)


def test_replay_gives_the_same_rows_and_alerts_and_notifies_nobody(bench: Bench) -> None:
    fill(bench)
    bench.run()
    before, told = everything(bench), len(bench.notified)
    former = snapshot.read(bench.folder / "snapshot.json")
    root = bench.folder / "lake"
    entries = replay(
        bench.ledger, root, bench.folder / "snapshot.json", UidEngine, bench.settings, clock=bench.ledger.now
    )
    assert entries == len(bench.ledger.entries)
    assert everything(bench) == before
    assert len(bench.notified) == told
    assert generation.current(root).name == "000002"
    assert all(path.exists() for path in snapshot.files(former))
    assert not set(snapshot.files(former)) & set(
        snapshot.files(snapshot.read(bench.folder / "snapshot.json"))
    )


def test_a_replay_that_breaks_off_leaves_the_old_lake_current(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(bench)
    bench.run()
    before = everything(bench)
    root = bench.folder / "lake"

    def fails(_pipeline: Pipeline) -> list[Alert]:
        raise StoreError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Pipeline, "flush", fails)
        with pytest.raises(StoreError):
            replay(bench.ledger, root, bench.folder / "snapshot.json", UidEngine, bench.settings)
    assert generation.current(root).name == "000001"
    assert everything(bench) == before
    replay(
        bench.ledger, root, bench.folder / "snapshot.json", UidEngine, bench.settings, clock=bench.ledger.now
    )
    assert everything(bench) == before


def test_the_lake_has_one_owner(bench: Bench) -> None:
    root = bench.folder / "lake"
    with generation.owned(root), pytest.raises(StoreError, match="in use"), generation.owned(root):
        pass
    with generation.owned(root):
        pass


def test_replaced_lakes_are_dropped_after_the_grace(bench: Bench) -> None:
    root = bench.folder / "lake"
    (root / "000001").mkdir(parents=True)
    (root / "000002").mkdir()
    generation.make_current(root / "000002")
    since = (root / "current").stat().st_mtime
    generation.drop_others(root, since + 5, 10)
    assert (root / "000001").exists()
    generation.drop_others(root, since + 11, 10)
    assert [item.name for item in sorted(root.iterdir()) if item.is_dir()] == ["000002"]


def test_the_newest_revision_of_a_session_is_what_readers_see(bench: Bench) -> None:
    for _ in range(3):
        bench.ledger.batch(ALICE, some_bodies(2))
        bench.run()
    last = bench.ledger.entries[-1].received
    assert bench.rows("sessions", "agent, session, person, revised") == [(ALICE, 3, "uid1000", last)]
    (chain,) = bench.rows("sessions", "chain ->> '$[0].host', chain ->> '$[0].because[0]'")
    assert chain == ("bastion", "x:1:1")


class Folder:
    """A folder of Sigma rules that changes once."""

    def __init__(self, ruleset: Ruleset) -> None:
        self._ruleset: Ruleset | None = ruleset
        self.closed = False

    def look(self) -> Ruleset | None:
        fresh, self._ruleset = self._ruleset, None
        return fresh

    def close(self) -> None:
        self.closed = True


def test_other_sigma_rules_are_taken_up_at_work_and_the_folder_is_closed(bench: Bench) -> None:
    engines: list[UidEngine] = []

    def engine() -> UidEngine:
        engines.append(UidEngine())
        return engines[-1]

    ruleset = Ruleset()
    folder = Folder(ruleset)
    places = (bench.folder / "lake" / "000001", bench.folder / "snapshot.json")
    pipeline = Pipeline(bench.ledger, *places, engine, bench.settings, rules=folder, open_shelf=LocalShelf)
    pipeline.turn(0)
    assert engines[-1].ruleset is ruleset
    pipeline.close()
    assert folder.closed

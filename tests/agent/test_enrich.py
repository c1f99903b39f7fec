"""Enrichments: found by their files, ordered, pure."""

from __future__ import annotations

import msgspec

from agent import settings
from agent.enrich import Surroundings, all_enrichments, enrich
from agent.redaction import Redactor
from evidence.kinds.process import Ancestor, Exec, Exit

CONTAINER = "c" * 64


class Chain:
    """A lineage of any length."""

    def __init__(self, length: int) -> None:
        self.length = length

    def ancestry(self, pid: int, start: int | None) -> tuple[Ancestor, ...]:
        return tuple(Ancestor(pid=pid - step, start=start) for step in range(1, self.length + 1))


def around(length: int = 2) -> Surroundings:
    return Surroundings(
        Chain(length), Redactor(b"k" * 32, settings.Redaction()), frozenset(), {1000: "alice"}.get
    )


def test_redaction_comes_before_the_tables_learn_and_nothing_else_does() -> None:
    steps = all_enrichments()
    assert [step.name for step in steps if step.order < 0] == ["redaction"]
    assert {step.name for step in steps} >= {"container", "lineage", "redaction"}


def test_an_exec_gets_container_unit_and_ancestry() -> None:
    body = Exec(pid=100, start=1, cgroup=f"/docker/{CONTAINER}/system.slice/nginx.service")
    done = enrich(body, all_enrichments(), around())
    assert isinstance(done, Exec)
    assert (done.container, done.container_runtime, done.unit) == (CONTAINER, "docker", "nginx.service")
    assert [step.pid for step in done.ancestry] == [99, 98]


def test_what_the_sensor_knew_stays() -> None:
    body = Exec(pid=100, cgroup="/system.slice/ssh.service", unit="mine.service")
    done = enrich(body, all_enrichments(), around())
    assert isinstance(done, Exec)
    assert done.unit == "mine.service"


def test_ancestry_is_bounded() -> None:
    done = enrich(Exec(pid=100), all_enrichments(), around(length=30))
    assert isinstance(done, Exec)
    assert len(done.ancestry) == 8


def test_a_body_with_nothing_to_add_is_the_same_object() -> None:
    body = Exit(pid=1)
    assert enrich(body, all_enrichments(), around()) is body


def test_an_exec_gets_the_names_of_its_accounts() -> None:
    done = enrich(Exec(pid=100, uid=1000, auid=1000), all_enrichments(), around())
    assert isinstance(done, Exec)
    assert (done.user, done.login) == ("alice", "alice")
    unknown = enrich(Exec(pid=100, uid=5, auid=6), all_enrichments(), around())
    assert isinstance(unknown, Exec)
    assert (unknown.user, unknown.login) == (None, None)


def test_a_container_has_accounts_of_its_own() -> None:
    body = Exec(pid=100, uid=1000, auid=1000, cgroup=f"/docker/{CONTAINER}")
    done = enrich(body, all_enrichments(), around())
    assert isinstance(done, Exec)
    assert (done.user, done.login) == (None, "alice")


def test_the_parents_command_line_is_told_where_it_is_wanted_and_redacted() -> None:
    exec_ = Exec(pid=2, ppid=1, parent_start=5, argv=("sh",))
    step = next(one for one in all_enrichments() if one.name == "lineage")
    assert isinstance(done := enrich(exec_, [step], around()), Exec)
    assert done.parent_cmd_line is None
    lines: dict[tuple[int, int | None], str] = {(1, 5): "mysql --password=canary2 -e x"}
    wanting = msgspec.structs.replace(around(), parent_command=lambda pid, start: lines.get((pid, start)))
    assert isinstance(done := enrich(exec_, [step], wanting), Exec)
    assert done.parent_cmd_line is not None
    assert done.parent_cmd_line.startswith("mysql --password=[redacted:")
    assert "canary2" not in done.parent_cmd_line

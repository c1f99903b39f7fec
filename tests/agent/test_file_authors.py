"""A file event and what the file says are joined by path, for a while, within bounds."""

from __future__ import annotations

from agent.file_authors import PATIENCE, REMEMBERED, Authors
from evidence.kind import Actor
from evidence.kinds.file import Create, Read
from evidence.kinds.process import Exit

WHO = Actor(pid=7, exe="/usr/bin/tee")
PATH = "/etc/cron.d/x"


def authors() -> Authors:
    made = Authors()
    made.cover("cron", [("/etc/cron.d", "*"), ("/etc", "crontab")])
    return made


def test_a_covered_file_is_marked_and_its_author_remembered() -> None:
    made = authors()
    body = made.learn(Create(path=PATH, actor=WHO), 5)
    assert isinstance(body, Create)
    assert body.told_by == "state.changed"
    found = made.of(PATH, 5)
    assert found is not None
    assert found.actor == WHO


def test_who_wrote_it_before_the_last_look_did_not_write_what_is_new() -> None:
    made = authors()
    made.learn(Create(path=PATH, actor=WHO), 5)
    assert made.of(PATH, 6) is None


def test_other_files_and_other_kinds_are_left_as_they_are() -> None:
    made = authors()
    for body in (Create(path="/etc/motd"), Read(path=PATH, tree="/etc"), Exit(pid=1)):
        assert made.learn(body, 0) is body
    assert not made.covers("/etc/cron.d/sub/x")


def test_a_source_that_ends_covers_nothing() -> None:
    made = authors()
    made.cover("cron", [])
    assert not made.covers(PATH)


def test_authors_are_bounded() -> None:
    made = authors()
    for number in range(REMEMBERED + 1):
        made.learn(Create(path=f"/etc/cron.d/{number}"), 0)
    assert made.of("/etc/cron.d/0", 0) is None
    assert made.of("/etc/cron.d/1", 0) is not None


def test_a_change_is_awaited_until_it_is_looked_at_or_too_long_ago() -> None:
    made = authors()
    made.expect("/etc/motd", 5)
    assert not made.expects("cron", 5)
    made.expect(PATH, 5)
    assert made.expects("cron", 5)
    assert not made.expects("sudoers", 5)
    made.settle(PATH)
    assert not made.expects("cron", 5)
    made.expect(PATH, 6)
    made.expect(PATH, 6 + PATIENCE)
    assert made.expects("cron", 6 + PATIENCE)
    assert not made.expects("cron", 7 + PATIENCE)
    for number in range(REMEMBERED + 1):
        made.expect(f"/etc/cron.d/{number}", 0)
    made.settle("/etc/cron.d/1")
    assert made.expects("cron", 0)

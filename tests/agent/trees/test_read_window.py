"""Reads gathered per process and tree."""

from __future__ import annotations

from agent.trees.read_window import DISTINCT, PATHS, WINDOWS, Opened, Reader, ReadWindows
from evidence.kind import Actor

KEY = Opened(b"/k/a", "/k/*", 1000)


def test_the_first_read_is_told_at_once_and_what_follows_gathered() -> None:
    windows = ReadWindows(100)
    windows.add(Reader(9), KEY, time=5, mono=5, size=10)
    (first,) = windows.due(5)
    assert (first.pid, first.mono, first.body.opens, first.body.files) == (9, 5, 1, 1)
    for time in (6, 7):
        windows.add(Reader(9), KEY, time=time, mono=time, size=10)
    other = Opened(b"/k/b", "/k/*", 1000)
    windows.add(Reader(9, Actor(pid=9, auid=1)), other, time=8, mono=8, size=7)
    assert windows.due(104) == []
    (due,) = windows.due(105)
    body = due.body
    assert (body.path, body.paths, body.tree) == ("/k/b", ("/k/b",), "/k/*")
    assert (body.files, body.opens, body.bytes, body.owner) == (1, 3, 7, 1000)
    assert (body.first, body.last, body.actor) == (6, 8, Actor(pid=9, auid=1))
    assert windows.due(1000) == []
    assert len(windows) == 0


def test_processes_and_trees_are_told_apart() -> None:
    windows = ReadWindows(100)
    windows.add(Reader(9), KEY, time=5, mono=5)
    windows.add(Reader(8), KEY, time=5, mono=5)
    windows.add(Reader(9), Opened(b"/etc/shadow", "/etc/shadow", 0), time=5, mono=5)
    assert [(due.pid, due.body.tree) for due in windows.due(5)] == [
        (9, "/k/*"),
        (8, "/k/*"),
        (9, "/etc/shadow"),
    ]


def test_what_a_process_read_is_told_when_it_ends() -> None:
    windows = ReadWindows(100)
    windows.add(Reader(9), KEY, time=5, mono=5)
    windows.due(5)
    windows.add(Reader(9), KEY, time=6, mono=6)
    windows.end({9}, 7)
    (due,) = windows.due(7)
    assert (due.body.opens, due.body.late) == (1, True)
    assert len(windows) == 0


def test_paths_that_are_not_utf8_share_one_form() -> None:
    windows = ReadWindows(1)
    for path in (b"/k/\\a", b"/k/\xff"):
        windows.add(Reader(9), Opened(path, "/k/*", None), time=1, mono=1)
    (due,) = windows.due(9)
    assert (due.body.paths, due.body.escaped) == (("/k/\\\\a", "/k/\\xff"), ("path", "paths"))


def test_windows_and_paths_are_bounded() -> None:
    windows = ReadWindows(1 << 60)
    for number in range(DISTINCT + 9):
        windows.add(Reader(1), Opened(b"/k/%d" % number, "/k/*", 0), time=1, mono=1)
    for pid in range(2, WINDOWS + 9):
        windows.add(Reader(pid), KEY, time=1, mono=1)
    first, *_ = windows.due(2)
    assert (len(first.body.paths), first.body.files, first.body.opens) == (PATHS, DISTINCT, DISTINCT + 9)
    assert len(windows) <= WINDOWS

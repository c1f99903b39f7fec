"""Reads gathered per process and tree."""

from __future__ import annotations

from agent.read_window import DISTINCT, PATHS, WINDOWS, Opened, ReadWindows
from evidence.kind import Actor


def test_one_process_and_tree_is_one_event() -> None:
    windows = ReadWindows(100)
    for time in (5, 6, 7):
        windows.add(9, Opened(b"/k/a", "/k/*", 1000), None, time=time, mono=time)
    windows.add(9, Opened(b"/k/b", "/k/*", 1000), Actor(pid=9, auid=1), time=8, mono=8)
    windows.add(9, Opened(b"/etc/shadow", "/etc/shadow", 0), None, time=8, mono=8)
    windows.add(8, Opened(b"/k/a", "/k/*", 1000), None, time=9, mono=9)
    assert windows.due(104) == []
    ((pid, began, event),) = windows.due(105)
    assert (pid, began) == (9, 5)
    assert (event.path, event.paths, event.tree) == ("/k/a", ("/k/a", "/k/b"), "/k/*")
    assert (event.files, event.opens, event.owner, event.first, event.last) == (2, 4, 1000, 5, 8)
    assert event.actor == Actor(pid=9, auid=1)
    assert len(windows.due(1000)) == 2


def test_paths_that_are_not_utf8_share_one_form() -> None:
    windows = ReadWindows(1)
    for path in (b"/k/\\a", b"/k/\xff"):
        windows.add(9, Opened(path, "/k/*", None), None, time=1, mono=1)
    ((_, _, event),) = windows.due(9)
    assert (event.paths, event.escaped) == (("/k/\\\\a", "/k/\\xff"), ("path", "paths"))


def test_windows_and_paths_are_bounded() -> None:
    windows = ReadWindows(1 << 60)
    for number in range(DISTINCT + 9):
        windows.add(1, Opened(b"/k/%d" % number, "/k/*", 0), None, time=1, mono=1)
    for pid in range(2, WINDOWS + 9):
        windows.add(pid, Opened(b"/k/a", "/k/*", 0), None, time=1, mono=1)
    (_, _, event), *_ = windows.due(2)
    assert (len(event.paths), event.files, event.opens) == (PATHS, DISTINCT, DISTINCT + 9)
    assert len(windows) == WINDOWS

"""Elsewhere on a marked filesystem: dropped early, ignored in the kernel, given up when it is too much."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import RungUnavailable
from agent.tree_change import TreeNews, Trees
from agent.trees.fanotify_trees import BUSY, FanotifyTrees
from agent.trees.folder_places import PLACES, FolderPlaces

pytestmark = pytest.mark.root


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("tree/sub", "elsewhere/deep"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path / "tree"


@pytest.fixture
def changes(tree: Path) -> Iterator[FanotifyTrees]:
    try:
        opened = FanotifyTrees(Trees((bytes(tree),), ()), whole=True)
    except RungUnavailable as reason:
        pytest.skip(f"marks of filesystems: {reason}")
    yield opened
    opened.close()


@pytest.fixture
def marked(tree: Path) -> Iterator[FanotifyTrees]:
    """The same with marks of the folders alone: what else happens on this filesystem fills no queue."""
    try:
        opened = FanotifyTrees(Trees((bytes(tree),), ()), whole=False)
    except RungUnavailable as reason:
        pytest.skip(f"fanotify: {reason}")
    opened.add_folder(bytes(tree))
    opened.add_folder(bytes(tree / "sub"))
    yield opened
    opened.close()


def churn(folder: Path, count: int) -> None:
    for number in range(count):
        (folder / f"f{number}").write_text("x")
        (folder / f"f{number}").unlink()


def paths(news: TreeNews) -> set[bytes]:
    return {change.path for change in news.changes}


def drained(changes: FanotifyTrees) -> list[TreeNews]:
    """Return all portions of what waits."""
    found = [changes.read()]
    while found[-1].more:
        found.append(changes.read())
    return found


def records(changes: FanotifyTrees, folder: Path, count: int) -> int:
    changes.read()
    churn(folder, count)
    return changes.read().foreign


def test_a_busy_folder_elsewhere_is_ignored_by_the_kernel(tree: Path, changes: FanotifyTrees) -> None:
    elsewhere = tree.parent / "elsewhere"
    records(changes, elsewhere, 1)
    told = records(changes, elsewhere, 4 * BUSY)
    assert told >= BUSY
    raw = Path(f"/proc/self/fdinfo/{changes.filenos()[1]}").read_text()
    ignored = f"ino:{elsewhere.stat().st_ino:x} "
    assert any(ignored in line and "ignored_mask:0 " not in line for line in raw.splitlines()), raw
    (tree / "seen").touch()
    assert paths(changes.read()) == {bytes(tree / "seen")}


def test_an_ignored_folder_that_moves_into_the_tree_is_seen_again(tree: Path, changes: FanotifyTrees) -> None:
    elsewhere = tree.parent / "elsewhere"
    for _ in range(3):
        records(changes, elsewhere / "deep", 4 * BUSY)
    (elsewhere / "deep").rename(tree / "deep")
    moved = changes.read()
    (come,) = [change for change in moved.changes if change.path == bytes(tree / "deep")]
    assert come.appeared
    assert come.former == bytes(elsewhere / "deep")
    (tree / "deep/new").touch()
    assert bytes(tree / "deep/new") in paths(changes.read())


def test_a_folder_that_leaves_the_tree_is_no_longer_ours(tree: Path, changes: FanotifyTrees) -> None:
    (tree / "sub/one").touch()
    assert paths(changes.read()) == {bytes(tree / "sub/one")}
    (tree / "sub").rename(tree.parent / "elsewhere/sub")
    (gone,) = changes.read().changes
    assert (gone.path, gone.latter) == (bytes(tree / "sub"), bytes(tree.parent / "elsewhere/sub"))
    (tree.parent / "elsewhere/sub/two").touch()
    assert paths(changes.read()) == set()


def test_narrowed_to_folders_nothing_else_is_heard(tree: Path, changes: FanotifyTrees) -> None:
    assert changes.narrow()
    assert not changes.narrow()
    changes.add_folder(bytes(tree))
    assert records(changes, tree.parent / "elsewhere", 100) == 0
    (tree / "seen").touch()
    assert paths(changes.read()) == {bytes(tree / "seen")}


def test_a_rename_is_told_with_both_names_and_a_removal_at_once(tree: Path, changes: FanotifyTrees) -> None:
    (tree / "a").touch()
    changes.read()
    (tree / "a").rename(tree / "sub/b")
    found = {change.path: change for change in changes.read().changes}
    assert found[bytes(tree / "sub/b")].former == bytes(tree / "a")
    assert found[bytes(tree / "a")].latter == bytes(tree / "sub/b")
    assert found[bytes(tree / "a")].pid == os.getpid()


def test_many_changes_come_in_portions_and_none_is_missing(tree: Path, marked: FanotifyTrees) -> None:
    made = {bytes(tree / f"{number:0200}") for number in range(3000)}
    for path in made:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
    found = drained(marked)
    assert len(found) > 1
    assert set().union(*map(paths, found)) >= made


def test_a_rename_between_portions_keeps_both_names(tree: Path, marked: FanotifyTrees) -> None:
    moved = {}
    for number in range(2000):
        before, after = tree / f"{number:0200}", tree / f"sub/{number:0200}"
        before.touch()
        before.rename(after)
        moved[bytes(after)] = bytes(before)
    told = {change.path: change.former for news in drained(marked) for change in news.changes}
    assert {path: told.get(path) for path in moved} == moved


@pytest.mark.parametrize("whole", [True, False])
def test_an_overflow_names_only_the_trees_it_hit(tmp_path: Path, whole: bool) -> None:
    roots = [tmp_path / "one", tmp_path / "two"]
    for root in roots:
        root.mkdir()
    trees = Trees(tuple(bytes(root) for root in roots), ())
    try:
        opened = FanotifyTrees(trees, whole=whole)
    except RungUnavailable as reason:
        pytest.skip(f"fanotify: {reason}")
    try:
        for root in roots:
            opened.add_folder(bytes(root))
        queue = int(Path("/proc/sys/fs/fanotify/max_queued_events").read_text())
        for number in range(queue + 100):
            (roots[0] / f"f{number}").touch()
        (roots[1] / "f").touch()
        lost = [root for news in drained(opened) for root in news.lost]
        assert set(lost) == ({bytes(root) for root in roots} if whole else {bytes(roots[0])})
    finally:
        opened.close()


def test_what_is_remembered_of_places_is_bounded() -> None:
    asked: list[bytes] = []

    def look_up(_: bytes, handle: bytes) -> bytes:
        asked.append(handle)
        return b"/far/" + handle

    places = FolderPlaces(Trees((b"/near",), ()), look_up)
    for number in range(3 * PLACES):
        assert places.path(b"filesyst", b"%d" % number) is None
        assert len(places.foreign) <= PLACES
    before = len(asked)
    assert places.path(b"filesyst", b"%d" % (3 * PLACES - 1)) is None
    assert len(asked) == before


def test_folders_above_a_tree_are_not_foreign() -> None:
    places = FolderPlaces(Trees((b"/srv/data",), ()), lambda _, handle: handle)
    assert [places.path(b"filesyst", path) for path in (b"/", b"/srv", b"/srv/data", b"/srv/other")] == [
        b"/",
        b"/srv",
        b"/srv/data",
        None,
    ]


def test_the_pid_of_a_writer_that_is_gone_is_told(tree: Path, changes: FanotifyTrees) -> None:
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", f"echo x > {tree}/late"], {})
    os.waitpid(pid, 0)
    assert {change.pid for change in changes.read().changes} == {pid}

"""Which changes of a package transaction are summed up, and which are told by themselves."""

from __future__ import annotations

import msgspec
import pytest

from agent.sensor import Moment, Observed
from agent.trees.package_summaries import LONGEST, PackageSummaries
from evidence.kind import Actor, Body
from evidence.kinds.file import Attributes, Change, Create, Delete, Explanation, FileState, Package, Rename

DPKG = Actor(pid=1, exe="/usr/bin/dpkg", auid=1000)
SHIPPED = Explanation(package="tool", version="2", matches=True, transaction=True)
PLAIN = FileState(size=10, mode=0o755, uid=0)
NOW = Moment(1_000_000, 1000)
CREATED = Create(path="/usr/bin/x", actor=DPKG, explained_by=SHIPPED, after=PLAIN)
CHANGED = Change(path="/usr/bin/x", actor=DPKG, explained_by=SHIPPED, before=PLAIN, after=PLAIN)


def changed(body: Body, **fields: object) -> Body:
    return msgspec.structs.replace(body, **fields)


def state(**fields: object) -> FileState:
    return msgspec.structs.replace(PLAIN, **fields)


def explanation(**fields: object) -> Explanation:
    return msgspec.structs.replace(SHIPPED, **fields)


def versions(package: str) -> tuple[str | None, str | None]:
    return f"{package}-1", f"{package}-2"


def sift(*bodies: Body, mono: int = 500) -> tuple[list[Body], list[Body]]:
    """Return what is told by itself, and the summaries."""
    summaries = PackageSummaries(lambda path: path == "/etc/cron.d/x")
    single = summaries.sift([Observed(body, mono=mono) for body in bodies], NOW)
    return [one.body for one in single], [one.body for one in summaries.due(NOW, versions, over=True)]


def test_what_is_as_it_was_shipped_is_one_event_a_package() -> None:
    gone = Delete(path="/usr/bin/y", actor=DPKG, explained_by=SHIPPED, before=PLAIN)
    folder = Create(
        path="/usr/x", actor=DPKG, explained_by=explanation(matches=None), after=state(type="dir", size=None)
    )
    other = changed(CREATED, explained_by=explanation(package="other"))
    single, summed = sift(CREATED, CHANGED, gone, folder, other)
    assert single == []
    assert summed == [
        Package(
            package=name,
            former_version=f"{name}-1",
            version=f"{name}-2",
            created=created,
            changed=number,
            deleted=number,
            bytes=size,
            first=999_500,
            last=999_500,
            actor=DPKG,
        )
        for name, created, number, size in (("tool", 2, 1, 20), ("other", 1, 0, 10))
    ]


@pytest.mark.parametrize(
    "body",
    [
        changed(CREATED, explained_by=None),
        changed(CREATED, explained_by=explanation(matches=None)),
        changed(CREATED, explained_by=explanation(matches=False)),
        changed(CREATED, explained_by=explanation(transaction=False)),
        changed(CREATED, actor=Actor(pid=2, exe="/bin/sh")),
        changed(CREATED, actor=None),
        changed(CREATED, found="scan"),
        changed(CREATED, path="/etc/cron.d/x"),
        changed(CREATED, moved_from="/tmp/x"),  # noqa: S108 - a name
        changed(CREATED, after=state(mode=0o4755)),
        changed(CREATED, after=state(mode=0o2755)),
        changed(CREATED, after=state(mode=0o666)),
        changed(CREATED, after=state(uid=1000)),
        changed(CREATED, after=state(type="link", target="/bin/sh")),
        changed(CREATED, after=state(capabilities="cap_setuid+ep")),
        changed(CREATED, after=state(xattrs={"system.posix_acl_access": "x"})),
        changed(CHANGED, before=state(mode=0o4755)),
        Attributes(path="/usr/bin/x", actor=DPKG, explained_by=SHIPPED, before=PLAIN, after=PLAIN),
        Rename(path="/usr/bin/x", former="/usr/bin/y", actor=DPKG, explained_by=SHIPPED, after=PLAIN),
        Delete(path="/usr/bin/x", actor=DPKG, explained_by=explanation(matches=None), before=PLAIN),
    ],
)
def test_everything_else_is_told_by_itself(body: Body) -> None:
    assert sift(body, CREATED)[0] == [body]


def test_a_label_that_all_files_have_is_no_power() -> None:
    assert sift(changed(CREATED, after=state(xattrs={"security.selinux": "x"})))[0] == []


def test_nothing_is_gathered_for_long() -> None:
    summaries = PackageSummaries(lambda _: False)
    summaries.sift([Observed(CREATED, mono=500)], NOW)
    assert summaries.due(Moment(0, NOW.mono + LONGEST - 1), versions, over=False) == []
    assert len(summaries.due(Moment(0, NOW.mono + LONGEST), versions, over=False)) == 1
    assert not summaries


def test_with_too_many_packages_all_are_told_early() -> None:
    summaries = PackageSummaries(lambda _: False, packages=2)
    for number in range(3):
        body = changed(CREATED, explained_by=explanation(package=str(number)))
        summaries.sift([Observed(body, mono=500)], NOW)
    assert len(summaries.due(NOW, versions, over=False)) == 3

"""watch and ship as two units run them: two users of their own, and folders that a package made."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent import run
from agent.errors import AgentError
from agent.kernel.cgroups import unit_processes
from agent.layout import Layout, prepare, watch_owner
from agent.settings import Settings
from agent.spool.disk import LocalDisk
from agent.supervision.privilege import Account

from .other_user import become_and, outcome

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become two other users"),
]

WATCH, SHIP = Account(61_184, 61_184), Account(61_185, 61_185)


@pytest.fixture
def layout() -> Iterator[Layout]:
    """Folders as the package's tmpfiles.d makes them, completed by `enroll` under root."""
    top = Path(tempfile.mkdtemp(prefix="vedette-units-"))
    top.chmod(0o755)
    found = Layout(top / "state")
    found.watch.mkdir(parents=True)
    os.chown(found.watch, WATCH.uid, WATCH.gid)
    prepare(found, SHIP, watch_owner(found))
    yield found
    shutil.rmtree(top)


def as_unit(user: Account, groups: list[int], work: Callable[[], object]) -> object:
    """Run work in a child with this user and these groups, and return what it returned (JSON)."""

    def become() -> None:
        os.setgroups(groups)
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)
        os.umask(0o077)

    return become_and(become, work)


def test_each_writes_its_side_of_the_spool_and_both_read_it(layout: Layout) -> None:
    heads, receipt = layout.out / "heads", layout.inbox / "0000000000000001.receipt"

    def watch() -> list[str]:
        prepare(layout, None)
        return [
            outcome(lambda: LocalDisk().append(heads, b"h")),
            outcome(lambda: LocalDisk(0o600).create(layout.watch / "secret", b"s")),
        ]

    def ship() -> list[str]:
        return [
            outcome(heads.read_bytes),
            outcome(lambda: LocalDisk().replace(receipt, b"r")),
            outcome(lambda: heads.open("r+b")),
            outcome(lambda: (layout.out / "forged").write_bytes(b"x")),
            outcome((layout.watch / "secret").read_bytes),
        ]

    assert as_unit(WATCH, [SHIP.gid], watch) == ["succeeded"] * 2
    assert as_unit(SHIP, [], ship) == ["succeeded"] * 2 + ["PermissionError"] * 3
    assert as_unit(WATCH, [SHIP.gid], receipt.read_text) == "r"
    assert as_unit(WATCH, [SHIP.gid], lambda: outcome(receipt.unlink)) == "succeeded"


def test_a_start_of_watch_leaves_the_packages_modes_alone(layout: Layout) -> None:
    before = [(path.stat().st_mode, path.stat().st_gid) for path in sorted(layout.state.rglob("*"))]
    as_unit(WATCH, [SHIP.gid], lambda: prepare(layout, None))
    assert [(path.stat().st_mode, path.stat().st_gid) for path in sorted(layout.state.rglob("*"))] == before
    assert layout.out.stat().st_mode & 0o7777 == 0o2750
    assert layout.inbox.stat().st_mode & 0o7777 == 0o2770


def test_root_does_not_start_what_a_unit_keeps(layout: Layout) -> None:
    with pytest.raises(AgentError, match="systemctl start"):
        run.watch(Settings(state=layout.state, runtime=layout.state / "run"))


def test_the_processes_of_ships_unit_are_known_by_its_cgroup(tmp_path: Path) -> None:
    unit = tmp_path / "system.slice" / "vedette-ship.service"
    unit.mkdir(parents=True)
    (unit / "cgroup.procs").write_text("41\n42\n")
    assert unit_processes("vedette-ship.service", (tmp_path / "v2", tmp_path)) == {41, 42}
    assert unit_processes("other.service", (tmp_path,)) == frozenset()

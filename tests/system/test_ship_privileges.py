"""Inside ship as `vedette-agent run` starts it under root: another user, no capabilities, no way back."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.layout import Layout, prepare
from agent.spool.disk import LocalDisk
from agent.supervision import privilege
from agent.supervision.privilege import Account

from .other_user import become_and, outcome

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can give root up"),
]


@pytest.fixture
def layout() -> Iterator[Layout]:
    """A state folder that other users can reach, as /var/lib is; pytest's own folders are closed to them."""
    top = Path(tempfile.mkdtemp(prefix="vedette-privilege-"))
    top.chmod(0o755)
    found = Layout(top / "state")
    account = account_of_ship()
    prepare(found, account)
    secret = LocalDisk(0o600)
    secret.create(found.signing_key, b"s" * 32)
    secret.create(found.identity, b"{}")
    LocalDisk(0o640).create(found.spool_key, b"k" * 32)
    LocalDisk(0o640).append(found.out / "heads", b"h")
    os.chown(found.spool_key, -1, account.gid)
    yield found
    shutil.rmtree(top)


def account_of_ship() -> Account:
    account = privilege.ship_account()
    assert account is not None
    return account


def inside_ship(work: Callable[[], object]) -> object:
    """Run work in a child that gave up root, and return what it returned (JSON)."""
    return become_and(lambda: privilege.drop(account_of_ship()), work)


def test_ship_can_read_no_secret_of_watch_or_the_host(layout: Layout) -> None:
    paths = (layout.signing_key, layout.identity, Path("/etc/shadow"))
    found = inside_ship(lambda: [outcome(path.read_bytes) for path in paths])
    assert found == ["PermissionError"] * 3


def test_ship_can_read_out_and_write_nothing_there(layout: Layout) -> None:
    heads = layout.out / "heads"

    def work() -> list[str]:
        return [
            outcome(heads.read_bytes),
            outcome(layout.spool_key.read_bytes),
            outcome(lambda: heads.open("r+b")),
            outcome(lambda: (layout.out / "forged").write_bytes(b"x")),
            outcome(heads.unlink),
            outcome(lambda: heads.rename(layout.inbox / "stolen")),
            outcome(lambda: layout.spool_key.write_bytes(b"x")),
            outcome(lambda: layout.out.rename(layout.spool / "moved")),
        ]

    assert inside_ship(work) == ["succeeded"] * 2 + ["PermissionError"] * 6


def test_ship_can_leave_receipts_that_watch_can_read(layout: Layout) -> None:
    path = layout.inbox / "0000000000000001.receipt"
    assert inside_ship(lambda: outcome(lambda: LocalDisk().replace(path, b"x", durable=False))) == "succeeded"
    assert LocalDisk().read(path, 0, 10) == b"x"
    assert path.stat().st_uid == account_of_ship().uid


def test_ship_has_no_way_back_to_root(layout: Layout) -> None:
    def work() -> list[object]:
        status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines())
        return [
            outcome(lambda: os.setuid(0)),
            outcome(lambda: os.setgroups([0])),
            status["NoNewPrivs"],
            *{int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")},
            status["Groups"].strip(),
        ]

    assert layout.state.exists()
    assert inside_ship(work) == ["PermissionError", "PermissionError", "1", 0, ""]


def test_a_link_in_the_inbox_leads_watch_nowhere(layout: Layout) -> None:
    path = layout.inbox / "0000000000000002.receipt"
    assert inside_ship(lambda: outcome(lambda: path.symlink_to("/etc/shadow"))) == "succeeded"
    with pytest.raises(OSError, match="symbolic"):
        LocalDisk().read(path, 0, 10)

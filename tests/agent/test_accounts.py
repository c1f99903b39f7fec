from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from agent.accounts import Accounts
from agent.decode.passwd import names_by_uid

ROOT = b"root:x:0:0:root:/root:/bin/bash\n"


def test_names_follow_the_file(tmp_path: Path) -> None:
    path = tmp_path / "passwd"
    accounts = Accounts(path)
    assert accounts.name(0) is None
    path.write_bytes(ROOT)
    assert accounts.name(0) == "root"
    path.write_bytes(ROOT + b"alice:x:1000:1000::/home/alice:/bin/sh\n")
    assert accounts.name(1000) == "alice"
    assert accounts.name(1001) is None


def test_a_known_name_is_looked_up_again_after_a_second(tmp_path: Path) -> None:
    path, now = tmp_path / "passwd", [0]
    accounts = Accounts(path, lambda: now[0])
    path.write_bytes(ROOT)
    assert accounts.name(0) == "root"
    path.write_bytes(ROOT.replace(b"root", b"admin"))
    assert accounts.name(0) == "root"
    now[0] = 1_000_000_000
    assert accounts.name(0) == "admin"
    path.unlink()
    now[0] = 2_000_000_000
    assert accounts.name(0) is None


def test_the_first_name_of_a_uid_counts_and_bad_lines_cost_no_other() -> None:
    raw = b"+::::::\nbad\n:x:5:5:::\nx:x:-1:1:::\nx:x:\xc2\xb2:1:::\n" + ROOT + b"toor:x:0:0:::\n"
    assert names_by_uid(raw) == {0: "root"}


@given(st.binary(max_size=200))
def test_any_bytes_are_read(raw: bytes) -> None:
    names_by_uid(raw)

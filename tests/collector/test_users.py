from __future__ import annotations

from pathlib import Path

import pytest
from argon2 import PasswordHasher

from collector.errors import CollectorError, NotSetUp, StateError
from collector.state_db import StateDb
from collector.users import Role, Users

NOW = 1_800_000_000 * 10**9
HOUR = 3600 * 10**9
PASSWORD = "correct horse battery"


@pytest.fixture
def users(tmp_path: Path) -> Users:
    db = StateDb(tmp_path / "state.db")
    db.create()
    made = Users(db, PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
    made.add("alice", PASSWORD, Role.ANALYST, NOW)
    return made


def test_the_password_lets_in_its_user_alone(users: Users) -> None:
    users.add("bob", "another long password", Role.VIEWER, NOW)
    found = users.authenticate("alice", PASSWORD)
    assert found is not None
    assert (found.name, found.role) == ("alice", Role.ANALYST)
    assert users.authenticate("bob", PASSWORD) is None
    assert users.authenticate("nobody", PASSWORD) is None
    assert users.authenticate("alice", PASSWORD + "x") is None


def test_passwords_are_kept_as_argon2id(users: Users, tmp_path: Path) -> None:
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"$argon2id$" in stored
    assert PASSWORD.encode() not in stored
    assert users.rows()[0].name == "alice"


@pytest.mark.parametrize(
    ("name", "password", "message"),
    [
        ("alice", PASSWORD, "exists already"),
        ("Al ice", PASSWORD, "first a letter"),
        ("carol", "short", "5 characters"),
        ("carol", "x" * 1025, "1025 characters"),
    ],
)
def test_a_user_that_cannot_be_is_refused_with_the_reason(
    users: Users, name: str, password: str, message: str
) -> None:
    with pytest.raises(CollectorError, match=message):
        users.add(name, password, Role.VIEWER, NOW)
    assert len(users.rows()) == 1


def test_an_api_token_speaks_for_its_user_until_it_expires(users: Users, tmp_path: Path) -> None:
    token = users.issue_token("alice", "laptop", NOW, NOW + HOUR)
    found = users.check_token(token, NOW + 1)
    assert found is not None
    assert found.name == "alice"
    assert users.check_token(token, NOW + HOUR) is None
    assert users.tokens("alice")[0].last_used == NOW + 1
    assert not any(token.split(".")[2].encode() in path.read_bytes() for path in tmp_path.iterdir())


def test_wrong_api_tokens_speak_for_nobody(users: Users) -> None:
    token = users.issue_token("alice", "laptop", NOW, NOW + HOUR)
    head, token_id, secret = token.split(".")
    for wrong in ("", "x", f"{head}.{token_id}.{'A' * 43}", f"{head}.{'0' * 16}.{secret}", token + "x"):
        assert users.check_token(wrong, NOW) is None


def test_a_revoked_token_ends_and_others_stay(users: Users) -> None:
    users.add("bob", PASSWORD, Role.VIEWER, NOW)
    gone, kept = (users.issue_token("alice", label, NOW, NOW + HOUR) for label in "ab")
    token_id = gone.split(".")[1]
    assert not users.revoke_token("bob", token_id, NOW)
    assert users.check_token(gone, NOW) is not None
    assert users.revoke_token("alice", token_id, NOW)
    assert users.check_token(gone, NOW) is None
    assert users.check_token(kept, NOW) is not None


def test_a_disabled_user_is_out_by_password_and_by_token(users: Users) -> None:
    token = users.issue_token("alice", "laptop", NOW, NOW + HOUR)
    users.disable("alice", NOW)
    assert users.authenticate("alice", PASSWORD) is None
    assert users.check_token(token, NOW) is None
    assert users.find("alice").disabled == NOW


def test_roles_include_those_below() -> None:
    assert Role.ADMIN.includes(Role.VIEWER)
    assert Role.ANALYST.includes(Role.ANALYST)
    assert not Role.VIEWER.includes(Role.ANALYST)


def test_the_database_is_for_its_owner_only_and_survives_create(users: Users, tmp_path: Path) -> None:
    StateDb(tmp_path / "state.db").create()
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    assert users.rows()[0].name == "alice"


def test_a_missing_database_names_the_next_command(tmp_path: Path) -> None:
    with pytest.raises(NotSetUp, match="vedette-collector setup"):
        Users(StateDb(tmp_path / "none.db")).rows()


def test_a_failed_transaction_changes_nothing(tmp_path: Path) -> None:
    db = StateDb(tmp_path / "state.db")
    db.create()

    def fail_half_way() -> None:
        with db.transaction() as connection:
            connection.execute("INSERT INTO projections VALUES ('x', 1)")
            connection.execute("INSERT INTO nowhere VALUES (1)")

    with pytest.raises(StateError, match="no such table"):
        fail_half_way()
    with db.reading() as connection:
        assert connection.execute("SELECT count(*) FROM projections").fetchone()[0] == 0

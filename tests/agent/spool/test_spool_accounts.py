"""What the spool owes the collector an explanation for, and when it says it again."""

from __future__ import annotations

from agent.spool.accounts import Accounts
from evidence.statement import Dropped


def gone(first: int, last: int, cause: str = "spool_full") -> Dropped:
    return Dropped("bulk", first, last, cause)


def test_what_was_said_is_said_again_with_the_next_data_given_up() -> None:
    """The statement that said it may have lost its own data, and waits to be named by a later one."""
    account = Accounts()
    for seq in range(4, 9):
        account = account.owe((gone(seq, seq),))
        assert account.owed == (gone(4, seq),)
        account = account.settle(account.owed, ())
        assert account.owed == ()
        assert account.said == (gone(4, seq),)


def test_the_same_damage_found_again_is_not_said_again() -> None:
    account = Accounts().owe((gone(4, 8),)).settle((gone(4, 8),), ())
    assert account.owe((gone(5, 6, "missing"),)) == account
    again = account.owe((gone(5, 9, "missing"),))
    assert again.owed == (gone(4, 8), gone(9, 9, "missing"))


def test_what_is_acknowledged_is_forgotten() -> None:
    account = Accounts().owe((gone(4, 8),)).settle((gone(4, 8),), ())
    assert account.forget("priority", 100) == account
    assert account.forget("bulk", 8).owe((gone(20, 20),)).owed == (gone(20, 20),)

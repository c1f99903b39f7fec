"""A stored sentence names whom the session turned out to be of, read by SQL as in memory."""

from __future__ import annotations

import duckdb
import pytest

from collector.alerts import wording
from collector.measures.session_work import describe
from collector.record import Person

ALICE = Person("alice", "hop", 3, "198.51.100.7", "SHA256:alice")
FORMER = [
    Person("postgres", "key", 3, "10.0.0.2", "SHA256:robot"),
    Person("uid 1000", "kernel", 3),
    Person("a.b", "kernel", 3, "10.0.0.2"),
]
SENTENCES = ["{} read /etc/shadow", "while {} was at work there", "{} made /home/{} run"]


@pytest.mark.parametrize("former", FORMER, ids=lambda one: str(one.name))
@pytest.mark.parametrize("sentence", SENTENCES)
@pytest.mark.parametrize("described", [True, False])
def test_a_sentence_names_the_person_as_known_by_now(former: Person, sentence: str, described: bool) -> None:
    told = sentence.format(describe(former) if described else former.name, former.name)
    now = wording.resaid(told, former, ALICE)
    columns = "unnest(?) AS person, unnest(?) AS how, unnest(?) AS session, unnest(?) AS fingerprint"
    with duckdb.connect() as db:
        row = db.execute(
            f"SELECT {wording.sql('a.summary', 'a', 's')} FROM "  # noqa: S608 - no value
            f"(SELECT ? AS summary, {columns}, ? AS person_source) a, (SELECT {columns}, ? AS source) s",
            [
                told,
                *([value] for value in (former.name, former.how, former.session, former.fingerprint)),
                former.source,
                *([value] for value in (ALICE.name, ALICE.how, ALICE.session, ALICE.fingerprint)),
                ALICE.source,
            ],
        ).fetchone()
    assert row == (now,)
    if described or sentence.startswith("{}"):
        assert now.startswith("while" if sentence.startswith("while") else "alice ")
        assert (describe(ALICE) in now) == described


def test_what_only_looks_like_the_name_stays() -> None:
    former = Person("al", "kernel", 3)
    assert wording.resaid("alice read it, al did not", former, ALICE) == "alice read it, al did not"

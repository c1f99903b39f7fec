"""Questions that wait for their answer, and what of the repeated ones is told."""

from __future__ import annotations

from agent.decode.bpf_dns import Packet, PacketKind
from agent.decode.dns import Answer, Message
from agent.dns_names import DnsNames
from agent.feeds.dns_bpf import learn, learn_hello, to_body
from agent.feeds.dns_questions import PATIENCE, Asked, Exchange, Questions
from agent.feeds.dns_repeats import MINUTE, Repeated, Repeats
from agent.gathered import Gathered
from evidence.kind import Actor, Endpoint
from evidence.kinds.dns import Query

SERVER = Endpoint(ip="192.0.2.53", port=53)
SECOND = 1_000_000_000


def packet(kind: PacketKind, mono: int, cookie: int = 1, payload: bytes = b"") -> Packet:
    return Packet(kind, "udp", mono, cookie, None, SERVER, 0, payload, cut=False)


def asked(mono: int, number: int = 7, name: str = "x.example", cookie: int = 1) -> tuple[Packet, Message]:
    return packet(PacketKind.QUERY, mono, cookie), Message(
        number, response=False, rcode=0, name=name, type="A"
    )


def answered(
    mono: int, number: int = 7, name: str = "x.example", cookie: int = 1, ttl: int = 60
) -> tuple[Packet, Message]:
    answers = (Answer(name, "CNAME", 9, "y.example"), Answer("y.example", "A", ttl, "198.51.100.9"))
    message = Message(number, response=True, rcode=0, name=name, type="A", answers=answers)
    return packet(PacketKind.ANSWER, mono, cookie), message


def query(pid: int = 1, name: str = "x.example", rcode: int | None = 0) -> Query:
    return Query(name=name, type="A", rcode=rcode, actor=Actor(pid=pid, start=5))


def test_an_answer_ends_its_question_and_no_other() -> None:
    questions = Questions()
    assert questions.ask(*asked(100)) is None
    for other in (answered(150, number=8), answered(150, name="z"), answered(150, cookie=2)):
        assert questions.answer(*other) is None
    ended = questions.answer(*answered(150))
    assert ended is not None
    body = to_body(ended, None)
    assert (body.name, body.rcode, body.duration, body.ttl) == ("x.example", 0, 50, 9)
    assert body.answers == ("y.example", "198.51.100.9")
    assert questions.answer(*answered(151)) is None
    assert len(questions) == 0


def test_a_question_that_is_sent_again_counts_once() -> None:
    questions = Questions()
    questions.ask(*asked(100))
    questions.ask(*asked(100 + SECOND // 2))
    assert len(questions) == 1
    ended = questions.answer(*answered(SECOND))
    assert ended is not None
    assert ended.asked.mono == 100


def test_a_question_without_an_answer_is_told_once_and_a_late_answer_still_counts() -> None:
    questions = Questions()
    questions.ask(*asked(0))
    assert list(questions.overdue(PATIENCE)) == []
    (untold,) = questions.overdue(PATIENCE + 1)
    assert to_body(untold, None).rcode is None
    assert list(questions.overdue(2 * SECOND)) == []
    late = questions.answer(*answered(5 * SECOND))
    assert late is not None
    assert to_body(late, None).duration == 5 * SECOND


def test_an_answer_that_is_far_too_late_means_nothing() -> None:
    questions = Questions()
    questions.ask(*asked(0))
    list(questions.overdue(SECOND))
    list(questions.overdue(60 * SECOND))
    assert questions.answer(*answered(61 * SECOND)) is None


def test_questions_are_bounded_and_the_oldest_is_told_for_the_newest() -> None:
    questions = Questions(limit=100)
    told = [questions.ask(*asked(number, number=number)) for number in range(1000)]
    assert [one.question.id for one in told if one is not None] == list(range(900))
    assert len(questions) == 100
    assert questions.answer(*answered(1000, number=0)) is None
    assert questions.answer(*answered(1000, number=899)) is not None


def test_questions_go_on_after_a_kill() -> None:
    kept = Gathered(Asked)
    questions = Questions(kept=kept)
    questions.ask(*asked(0, name="told"))
    list(questions.overdue(SECOND))
    questions.ask(*asked(SECOND, name="waits"))
    questions.ask(*asked(SECOND, name="answered"))
    questions.answer(*answered(SECOND, name="answered"))
    again = Questions(kept=Gathered(Asked, kept.changes()))
    assert len(again) == 1
    assert again.ask(*asked(2 * SECOND, name="waits")) is None
    late = [again.answer(*answered(2 * SECOND, name=name)) for name in ("told", "waits", "answered")]
    assert [one and one.asked.mono for one in late] == [0, SECOND, None]


def test_at_the_end_what_waits_is_told_without_an_answer() -> None:
    kept = Gathered(Asked)
    questions = Questions(kept=kept)
    questions.ask(*asked(0, name="told"))
    list(questions.overdue(SECOND))
    questions.ask(*asked(SECOND, name="waits"))
    assert [one.question.name for one in questions.rest()] == ["waits"]
    assert len(kept) == 0


def test_the_first_is_told_at_once_and_the_rest_of_its_minute_as_a_count() -> None:
    repeats = Repeats(per_minute=10)
    assert repeats.first(query(), 0)
    assert not any(repeats.first(query(), number) for number in range(1, 51))
    assert list(repeats.due(MINUTE - 1)) == []
    ((mono, body),) = repeats.due(MINUTE)
    assert (mono, body.count, body.name) == (50, 50, "x.example")
    assert repeats.first(query(), MINUTE + 1)
    assert repeats.untold == 0


def test_counts_go_on_after_a_kill_and_are_told_at_the_end() -> None:
    kept = Gathered(Repeated)
    repeats = Repeats(per_minute=10, kept=kept)
    for name in ("once", "often"):
        repeats.first(query(name=name), 0)
    for number in range(4):
        repeats.first(query(name="often"), number)
    kept = Gathered(Repeated, kept.changes())
    again = Repeats(per_minute=10, kept=kept)
    assert not again.first(query(name="often"), 5)
    assert [(mono, body.name, body.count) for mono, body in again.rest()] == [(5, "often", 5)]
    assert len(kept) == 0


def test_another_process_name_or_result_is_told_at_once() -> None:
    repeats = Repeats(per_minute=10)
    for body in (query(), query(pid=2), query(name="y"), query(rcode=3), query(rcode=None)):
        assert repeats.first(body, 0)
    assert list(repeats.due(2 * MINUTE)) == []
    assert len(repeats) == 0


def test_a_process_that_asks_for_ever_new_names_is_told_up_to_its_limit() -> None:
    repeats = Repeats(per_minute=10)
    told = sum(repeats.first(query(name=str(number)), number) for number in range(1000))
    assert (told, repeats.untold) == (10, 990)
    assert repeats.first(query(pid=2), 1)
    assert repeats.first(query(name="later"), MINUTE)


def test_repeats_that_are_forgotten_are_counted() -> None:
    repeats = Repeats(per_minute=10_000, questions=5)
    for _ in range(4):
        repeats.first(query(name="first"), 0)
    for number in range(50):
        repeats.first(query(name=str(number)), number)
    assert len(repeats) == 5
    assert repeats.untold == 3


def test_names_are_learnt_for_addresses_and_stand_at_least_five_minutes() -> None:
    names = DnsNames()
    for ttl, name in ((1, "x.example"), (3600, "z.example")):
        (question, message), (answer, said) = asked(0, name=name), answered(SECOND, name=name, ttl=ttl)
        learn(Exchange(question, message, answer.mono, said), names)
        until = SECOND + max(ttl, 300) * SECOND
        assert names.find("198.51.100.9", until) == name
        assert names.find("198.51.100.9", until + 1) is None
    learn(None, names)
    learn(Exchange(*asked(0)), names)
    assert len(names) == 1


def test_a_hello_that_is_none_names_nobody() -> None:
    names = DnsNames()
    learn_hello(packet(PacketKind.HELLO, 0, payload=b"\x16\x03\x01\x00\x05\x01junk"), names)
    assert names.of_flow(1) is None

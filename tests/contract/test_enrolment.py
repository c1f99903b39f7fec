from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from collector import ca
from collector.enrolment.routes import DENIED, Limits
from collector.errors import CollectorError
from evidence import checkpoint, entry, receipt
from evidence.enrolment import REQUEST_LIMIT, Record, RenewalReply, RevocationRecord, Token
from evidence.entry import EntryType
from evidence.keys import PrivateKey
from evidence.refusal import Code, Refusal
from tests.contract.enrolling import DAY, SECOND, Answer, Applicant, Desk, machine, make_csr

OTHER_KEY = PrivateKey(b"o" * 32)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "state")
    yield made
    made.keeper.close()


def enrol(desk: Desk, applicant: Applicant, token: Token | None = None, **wrong: Any) -> Answer:
    return desk.post(applicant.request(token or desk.token(), desk.nonce(), **wrong))


def test_an_enrolled_host_can_verify_all_it_was_given(desk: Desk) -> None:
    token = desk.token()
    applicant = Applicant()
    reply = enrol(desk, applicant, token).reply()
    raw = base64.b64decode(reply.entry)
    key = checkpoint.parse_vkey(reply.ledger_key)
    receipt.check(receipt.from_bytes(reply.receipt.encode()), raw, key, None)
    record = msgspec.json.decode(entry.decode(raw).payload, type=Record)
    assert (record.agent, record.public, record.token) == (reply.agent, applicant.key.public.hex(), token.id)
    assert record.certificate_sha256 == ca.certificate_digest(reply.certificate)
    certificate = x509.load_pem_x509_certificate(reply.certificate.encode())
    anchor = x509.load_pem_x509_certificate(reply.ca.encode())
    certificate.verify_directly_issued_by(anchor)
    assert ca.agent_of(certificate) == reply.agent
    assert ca.spki_digest(anchor) == token.pin
    assert ca.expiry(reply.certificate) == desk.now + 14 * DAY


def test_the_admin_sees_who_used_a_token_last(desk: Desk) -> None:
    token = desk.token()
    reply = enrol(desk, Applicant(machine("db-3")), token).reply()
    row = desk.tokens.find(token.id)
    assert (row.last_host, row.last_address, row.last_agent) == ("db-3", "10.0.0.7", reply.agent)
    assert (row.last_used, row.uses_left) == (desk.now, 0)


Wrong = Callable[[Desk, Applicant], bytes]


def _used_up(desk: Desk, applicant: Applicant) -> bytes:
    token = desk.token()
    enrol(desk, Applicant(machine("first")), token).reply()
    return applicant.request(token, desk.nonce())


def _expired(desk: Desk, applicant: Applicant) -> bytes:
    token = desk.token(seconds=60)
    desk.now += 60 * SECOND
    return applicant.request(token, desk.nonce())


def _revoked(desk: Desk, applicant: Applicant) -> bytes:
    token = desk.token()
    desk.tokens.revoke(token.id, desk.now)
    return applicant.request(token, desk.nonce())


def _replayed_nonce(desk: Desk, applicant: Applicant) -> bytes:
    nonce = desk.nonce()
    desk.post(Applicant().request(desk.token(), nonce))
    return applicant.request(desk.token(), nonce)


def _old_nonce(desk: Desk, applicant: Applicant) -> bytes:
    nonce = desk.nonce()
    desk.now += 121 * SECOND
    return applicant.request(desk.token(), nonce)


def _key_of_another(desk: Desk, applicant: Applicant) -> bytes:
    first = Applicant(key=applicant.key)
    enrol(desk, first).reply()
    return applicant.request(desk.token(), desk.nonce())


REFUSED: dict[str, tuple[Wrong, str]] = {
    "used up": (_used_up, "no uses left; first used it last"),
    "expired": (_expired, "expired"),
    "revoked": (_revoked, "revoked"),
    "replayed nonce": (_replayed_nonce, "used before"),
    "old nonce": (_old_nonce, "too old"),
    "key of another": (_key_of_another, "enrolled before"),
    "made-up nonce": (lambda d, a: a.request(d.token(), "A" * 54), "not issued"),
    "nonce that is no base64": (lambda d, a: a.request(d.token(), "*"), "nonce: not base64url"),
    "unknown token": (lambda d, a: a.request(Token("0" * 16, "s" * 43, ""), d.nonce()), "unknown"),
    "wrong secret": (lambda d, a: a.request(d.token(), d.nonce(), secret="s" * 43), "wrong secret"),
    "other network": (lambda d, a: a.request(d.token(networks=("192.0.2.0/24",)), d.nonce()), "networks"),
    "proof by another key": (lambda d, a: a.request(d.token(), d.nonce(), signer=OTHER_KEY), "names key"),
    "public of another": (
        lambda d, a: a.request(d.token(), d.nonce(), public=OTHER_KEY.public.hex()),
        "names key",
    ),
    "proof for another CSR": (
        lambda d, a: a.request(d.token(), d.nonce(), signed_csr=make_csr()),
        "not the one the proof names",
    ),
    "CSR that is none": (lambda d, a: a.request(d.token(), d.nonce(), csr="x", signed_csr="x"), "CSR"),
    "CSR on another curve": (
        lambda d, _: Applicant(csr=make_csr(ec.SECP384R1())).request(d.token(), d.nonce()),
        "secp384r1",
    ),
    "CSR with a broken signature": (lambda d, _: _broken_csr().request(d.token(), d.nonce()), "CSR"),
    "proof of another type": (
        lambda d, a: a.request(d.token(), d.nonce(), payload_type="application/vnd.vedette.renewal.v1+json"),
        "payloadType",
    ),
    "proof that is no envelope": (lambda d, a: a.request(d.token(), d.nonce(), envelope="{}"), "envelope"),
}


def _broken_csr() -> Applicant:
    lines = make_csr().splitlines()
    raw = bytearray(base64.b64decode("".join(lines[1:-1])))
    raw[-5] ^= 1
    return Applicant(
        csr=f"{lines[0]}\n{base64.encodebytes(bytes(raw)).decode()}{lines[-1]}\n",
    )


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_look_alike_to_the_client_and_not_to_the_admin(desk: Desk, case: str) -> None:
    wrong, reason = REFUSED[case]
    before = len(desk.enrolments.rows())
    body = wrong(desk, Applicant(machine("second")))
    known = len(desk.enrolments.rows())
    answer = desk.post(body)
    assert (answer.status, answer.body) == (403, msgspec.json.encode(DENIED))
    assert set(answer.headers) == {b"content-length", b"content-type"}
    assert reason in desk.reasons()[-1]
    assert not desk.acts[-1].allowed
    assert len(desk.enrolments.rows()) == known >= before


def test_a_refused_request_costs_no_use(desk: Desk) -> None:
    token = desk.token()
    assert enrol(desk, Applicant(), token, signer=OTHER_KEY).status == 403
    assert enrol(desk, Applicant(), token, csr=make_csr()).status == 403
    assert desk.tokens.find(token.id).uses_left == 1
    enrol(desk, Applicant(), token).reply()


def test_a_token_for_a_network_serves_its_hosts(desk: Desk) -> None:
    token = desk.token(uses=3, networks=("10.0.0.0/8", "2001:db8::/32"))
    for address in ("10.9.9.9", "::ffff:10.1.2.3", "2001:db8::5"):
        assert desk.post(Applicant().request(token, desk.nonce()), address).status == 200


def test_of_many_at_once_as_many_enrol_as_the_token_has_uses(desk: Desk) -> None:
    token = desk.token(uses=2)
    bodies = [Applicant().request(token, desk.nonce()) for _ in range(8)]
    barrier = threading.Barrier(len(bodies))
    answers: list[int] = []

    def ask(body: bytes) -> None:
        barrier.wait()
        answers.append(desk.post(body).status)

    threads = [threading.Thread(target=ask, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 200] + [403] * 6


def test_two_processes_cannot_both_take_the_last_use(desk: Desk) -> None:
    token = desk.token()
    barrier = threading.Barrier(6)
    outcome: list[bool] = []

    def take() -> None:
        barrier.wait()
        try:
            desk.tokens.spend(token.id, _use(desk.now))
        except CollectorError:
            outcome.append(False)
        else:
            outcome.append(True)

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome) == [False] * 5 + [True]


def _use(now: int) -> Any:
    from collector.enrolment.tokens import Use  # noqa: PLC0415 - only here

    return Use("a" * 32, "host", "10.0.0.1", now)


def test_a_ledger_that_fails_gives_the_use_back(desk: Desk) -> None:
    token, applicant = desk.token(), Applicant()
    desk.fails = True
    answer = enrol(desk, applicant, token)
    assert (answer.status, msgspec.json.decode(answer.body, type=Refusal).code) == (503, Code.OVERLOADED)
    assert b"retry-after" in answer.headers
    assert desk.tokens.find(token.id).uses_left == 1
    desk.fails = False
    enrol(desk, applicant, token).reply()


def test_a_host_whose_answer_was_lost_gets_it_again(desk: Desk) -> None:
    token, applicant = desk.token(), Applicant()
    first = enrol(desk, applicant, token)
    again = enrol(desk, applicant, token)
    assert again.body == first.body
    assert desk.keeper.ledger.size == 2
    desk.now += 3601 * SECOND
    assert enrol(desk, applicant, desk.token()).body == msgspec.json.encode(DENIED)


def test_an_answer_lost_between_the_ledger_and_us_is_found_again(desk: Desk) -> None:
    token, applicant = desk.token(), Applicant()
    for _ in range(3):
        enrol(desk, Applicant()).reply()
    desk.loses_answers = True
    reply = enrol(desk, applicant, token).reply()
    desk.loses_answers = False
    raw = base64.b64decode(reply.entry)
    key = checkpoint.parse_vkey(reply.ledger_key)
    receipt.check(receipt.from_bytes(reply.receipt.encode()), raw, key, None)
    assert msgspec.json.decode(entry.decode(raw).payload, type=Record).agent == reply.agent
    assert (desk.keeper.ledger.size, desk.tokens.find(token.id).uses_left) == (5, 0)
    assert enrol(desk, applicant, token).reply() == reply
    assert enrol(desk, Applicant(), token).status == 403


def test_a_machine_that_enrols_again_is_a_successor(desk: Desk) -> None:
    first = enrol(desk, Applicant(machine("a", "1" * 32))).reply()
    clone = enrol(desk, Applicant(machine("b", "1" * 32))).reply()
    moved = enrol(desk, Applicant(machine("c", "2" * 32, "i-1"))).reply()
    rebuilt = enrol(desk, Applicant(machine("d", "3" * 32, "i-1"))).reply()
    other = enrol(desk, Applicant(machine("e", "4" * 32, "i-2"))).reply()
    nameless = [enrol(desk, Applicant(machine("f", ""))).reply() for _ in range(2)]
    successors = {row.agent: row.successor_of for row in desk.enrolments.rows()}
    assert (successors[clone.agent], successors[rebuilt.agent]) == (first.agent, moved.agent)
    assert {successors[each.agent] for each in (first, moved, other, *nameless)} == {None}
    assert len({each.agent for each in (first, clone, moved, rebuilt, other, *nameless)}) == 7


def test_the_enrolments_can_be_rebuilt_from_the_ledger(desk: Desk) -> None:
    for name in ("a", "b"):
        enrol(desk, Applicant(machine(name))).reply()
    rows = desk.enrolments.rows()
    entries = [desk.keeper.ledger.entry(index) for index in range(desk.keeper.ledger.size)]
    desk.enrolments.take(0, entries)
    assert desk.enrolments.rows() == rows
    assert [row.position for row in rows] == [0, 1, 2]


def test_a_source_that_asks_too_often_waits(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "state", Limits(source_per_minute=60, source_burst=3))
    assert [desk.post(b"{}").status for _ in range(4)] == [400, 400, 400, 429]
    assert desk.post(b"{}", "10.0.0.8").status == 400
    desk.now += SECOND
    assert desk.post(b"{}").status == 400
    desk.keeper.close()


def test_a_flood_of_refusals_is_recorded_as_a_count(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "state", Limits(acts_per_minute=60, acts_burst=2))
    for _ in range(5):
        enrol(desk, Applicant(), secret="s" * 43)
    assert len(desk.acts) == 2
    desk.now += SECOND
    enrol(desk, Applicant(), secret="s" * 43)
    assert [act.detail["unrecorded_before"] for act in desk.acts if act.detail] == ["0", "0", "3"]
    desk.keeper.close()


def test_no_secret_stands_in_the_database_or_an_act(desk: Desk, tmp_path: Path) -> None:
    token = desk.token()
    enrol(desk, Applicant(), token, signer=OTHER_KEY)
    enrol(desk, Applicant(), token).reply()
    files = [path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert not any(token.secret.encode() in raw for raw in files)
    assert token.secret not in str(desk.acts)


def renewed(answer: Answer) -> RenewalReply:
    assert answer.status == 200, answer.body
    return msgspec.json.decode(answer.body, type=RenewalReply)


def test_a_host_that_slept_renews_by_its_signing_key(desk: Desk) -> None:
    applicant = Applicant()
    agent = enrol(desk, applicant).reply().agent
    desk.now += (14 + 89) * DAY
    applicant.csr = make_csr()
    reply = renewed(desk.renew(applicant.renewal(agent, desk.nonce())))
    assert ca.agent_of(x509.load_pem_x509_certificate(reply.certificate.encode())) == agent
    assert ca.expiry(reply.certificate) == desk.now + 14 * DAY
    desk.now += (14 + 91) * DAY
    assert desk.renew(applicant.renewal(agent, desk.nonce())).body == msgspec.json.encode(DENIED)
    assert "90 days" in desk.reasons()[-1]


@pytest.mark.parametrize(
    ("reason", "wrong"),
    {
        "unknown": {"agent": "0" * 32},
        "epoch 2": {"epoch": 2},
        "names key": {"signer": OTHER_KEY},
        "used before": {"nonce": "first"},
    }.items(),
)
def test_refused_renewals_look_alike(desk: Desk, reason: str, wrong: dict[str, Any]) -> None:
    applicant = Applicant()
    agent = enrol(desk, applicant).reply().agent
    nonce = desk.nonce()
    renewed(desk.renew(applicant.renewal(agent, nonce)))
    asked = {"agent": agent, "nonce": desk.nonce(), **wrong}
    if asked["nonce"] == "first":
        asked["nonce"] = nonce
    answer = desk.renew(applicant.renewal(**asked))
    assert (answer.status, answer.body) == (403, msgspec.json.encode(DENIED))
    assert reason in desk.reasons()[-1]


def test_a_revoked_host_renews_by_neither_way(desk: Desk) -> None:
    applicant = Applicant()
    agent = enrol(desk, applicant).reply().agent
    body = msgspec.json.encode({"csr": applicant.csr, "proof": ""})
    assert desk.renewals.by_certificate(agent, body, desk.now).certificate
    payload = msgspec.json.encode(RevocationRecord(agent, None, desk.now, "admin", "lost"))
    index = desk.append(EntryType.REVOCATION, payload).index
    desk.enrolments.take(index, [desk.keeper.ledger.entry(index)])
    answer = desk.renew(applicant.renewal(agent, desk.nonce()))
    assert answer.body == msgspec.json.encode(DENIED)
    with pytest.raises(CollectorError, match="revoked"):
        desk.renewals.by_certificate(agent, body, desk.now)
    found = desk.enrolments.find(agent)
    assert found is not None
    assert (found.revoked, found.revoked_at) == (desk.now, index)


def test_a_body_above_the_limit_is_not_read(desk: Desk) -> None:
    answer = desk.post(b" " * (REQUEST_LIMIT + 1))
    assert msgspec.json.decode(answer.body, type=Refusal).code is Code.TOO_LARGE


@pytest.fixture(scope="module")
def open_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    made = Desk(tmp_path_factory.mktemp("desk") / "state", Limits(1e9, 1_000_000))
    yield made
    made.keeper.close()


@given(body=st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
@settings(max_examples=60, deadline=None)
def test_noise_is_refused_and_nothing_breaks(open_desk: Desk, body: bytes) -> None:
    answer = open_desk.post(body)
    assert msgspec.json.decode(answer.body, type=Refusal).code is Code.BAD_REQUEST


@given(
    place=st.floats(0, 1, exclude_max=True),
    byte=st.integers(1, 255),
    how=st.sampled_from(["alter", "cut", "leave out"]),
)
@settings(max_examples=80, deadline=None)
def test_no_altered_request_enrols(open_desk: Desk, place: float, byte: int, how: str) -> None:
    good = Applicant().request(open_desk.token(), open_desk.nonce())
    at = int(place * len(good))
    changed = {"alter": bytes([good[at] ^ byte]) + good[at + 1 :], "cut": b"", "leave out": good[at + 1 :]}
    before = len(open_desk.enrolments.rows())
    answer = open_desk.post(good[:at] + changed[how])
    code = msgspec.json.decode(answer.body, type=Refusal).code
    assert code in {Code.BAD_REQUEST, Code.REFUSED}
    assert len(open_desk.enrolments.rows()) == before

"""A proof follows from what the hosts signed; the collector's word is only which sessions it is about."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from client import cli, proof_html, proof_words
from client.proof import prove
from client.proven import Proof
from collector.audit.bundler import Story
from evidence import audit
from evidence.bundle import Bundle, Claim
from evidence.event import stamp
from evidence.kind import Actor, Body, Endpoint
from evidence.kinds.agent import Heartbeat
from evidence.kinds.connection import Close, Report
from evidence.kinds.file import Read
from evidence.kinds.login import Accepted, SessionClose, SessionOpen, Sudo
from evidence.kinds.process import Exec
from evidence.seal import SealedBatch
from tests.collector.bundled import Record
from tests.collector.station import Host

LAPTOP = Endpoint(ip="198.51.100.7", port=50_100)
BASTION = Endpoint(ip="10.0.0.5", port=40_001)
SSHD = Endpoint(ip="10.0.0.5", port=22)
APP = Endpoint(ip="10.0.0.6", port=22)
AWAY = Endpoint(ip="203.0.113.9", port=443, name="drop.example")
KEY = "SHA256:alice"
MEGA = 1_000_000


def login(user: str, session: int, source: Endpoint, local: Endpoint, key: str) -> list[Body]:
    return [
        Accepted(program="sshd", user=user, pid=70, fingerprint=key, source=source, local=local),
        SessionOpen(program="sshd", user=user, pid=70, auid=1000, session=session),
    ]


def sent(session: int, local: Endpoint, remote: Endpoint, count: int, flow: int = 1) -> Close:
    actor = Actor(pid=90, exe="/usr/bin/ssh", uid=1000, auid=1000, session=session)
    return Close(
        flow=flow, protocol="tcp", direction="out", local=local, remote=remote, bytes_out=count, bytes_in=10,
        actor=actor,
    )  # fmt: skip


class Incident:
    """Alice comes to bastion, goes on to app, becomes deploy there, and sends 25 MB away."""

    def __init__(self, folder: Path) -> None:
        self.record = Record(folder)
        self.bastion, self.app = self.record.host(), self.record.host()
        self.began = time.time_ns()
        self.seq = 0
        self.batches = [
            self.batch(self.bastion, "bastion", login("alice", 7, LAPTOP, SSHD, KEY)),
            self.batch(self.bastion, "bastion", [sent(7, BASTION, APP, 4000)]),
            self.batch(self.app, "app", [*login("alice", 3, BASTION, APP, "SHA256:other"), *self.work()]),
        ]  # fmt: skip
        self.claims = (
            Claim(self.bastion.agent, "boot", 7, "alice", "kernel"),
            Claim(self.app.agent, "boot", 3, "alice", "hop"),
        )

    @staticmethod
    def work() -> list[Body]:
        cat = Actor(pid=95, exe="/usr/bin/cat", uid=0, auid=1000, session=3)
        return [
            Sudo(program="sudo", user="alice", target="deploy", command="/bin/bash", session=3),
            Exec(pid=94, exe="/usr/bin/tar", argv=("tar", "czf", "s", "/srv"), session=3),
            Read(path="/etc/shadow", tree="/etc/shadow", bytes=900, actor=cat),
            sent(3, Endpoint(ip="10.0.0.6", port=51_000), AWAY, 25 * MEGA, flow=2),
            SessionClose(program="sshd", user="alice", session=3),
        ]

    def batch(self, host: Host, name: str, bodies: list[Body]) -> SealedBatch:
        beat = Heartbeat(events=1, interval=60.0, sensors={}, host=name)
        events = []
        for body in [beat, *bodies]:
            self.seq += 1
            events.append(stamp(body, seq=self.seq, time=time.time_ns(), mono=self.seq))
        return host.batch(events, seen=self.record.seen() if self.seq > 1 else None)

    def bundle(self, claims: tuple[Claim, ...] | None = None) -> Bundle:
        self.record.append(self.batches)
        self.record.store()
        story = Story(
            "abc123", "Data taken", "alice", self.claims if claims is None else claims,
            (self.bastion.agent, self.app.agent), self.began, time.time_ns(), (),
        )  # fmt: skip
        return self.record.bundle(about=story)

    def proof(self, claims: tuple[Claim, ...] | None = None) -> Proof:
        made = self.bundle(claims)
        return prove(made, audit.audit(made))


@pytest.fixture
def incident(tmp_path: Path) -> Iterator[Incident]:
    made = Incident(tmp_path)
    yield made
    made.record.keeper.close()


def test_sessions_hops_bytes_and_files_follow_from_signed_events(incident: Incident) -> None:
    proof = incident.proof()
    assert (proof.status, proof.problems) == ("consistent, not anchored", ())
    first, second = proof.stays
    assert (first.host, first.account, first.source, first.link) == ("bastion", "alice", LAPTOP.ip, "login")
    assert (second.host, second.link, second.origin, second.commands) == ("app", "shown", 0, 1)
    assert second.closed is not None
    away = [one for one in proof.sent if one.to_stay is None]
    assert [(one.remote, one.bytes_out, one.stay) for one in away] == [(AWAY.ip, 25 * MEGA, 1)]
    assert [one.to_stay for one in proof.sent if one.remote == APP.ip] == [1]
    assert proof.bytes_out == 25 * MEGA
    assert [(one.path, one.program) for one in proof.looked] == [("/etc/shadow", "/usr/bin/cat")]
    assert [(one.target, one.stay) for one in proof.became] == [("deploy", 1)]
    assert [one.host for one in proof.coverage if one.is_complete] == sorted(
        ["app", "bastion"], key=lambda name: (incident.app if name == "app" else incident.bastion).agent
    )


def test_the_conclusion_says_who_what_left_and_that_nothing_else_did(incident: Incident) -> None:
    who, left, negative = proof_words.conclusions(incident.proof())
    assert "alice logged in from 198.51.100.7 with key SHA256:alice and acted in 2 sessions" in who
    assert "as deploy" in who
    assert "25.0 MB left (25000000 bytes)" in left
    assert "from app to 203.0.113.9:443 (drop.example)" in left
    assert negative.endswith("without a loss: no other recorded connection of these sessions left.")


def test_what_comes_back_over_a_hop_has_not_left(incident: Incident) -> None:
    back = sent(3, APP, BASTION, 30 * MEGA, flow=9)
    back = msgspec.structs.replace(back, direction="in")
    incident.batches.append(incident.batch(incident.app, "app", [back]))
    proof = incident.proof()
    assert [(one.remote, one.to_stay) for one in proof.sent if one.direction == "in"] == [(BASTION.ip, 0)]
    assert proof.bytes_out == 25 * MEGA


def test_a_sudo_that_only_the_log_tells_of_is_the_session_that_ran_its_command(incident: Incident) -> None:
    argv = ("tar", "czf", "/srv/x.tgz", "/srv")
    told = [
        Sudo(program="sudo", user="alice", target="deploy", command="/usr/bin/tar czf /srv/x.tgz /srv"),
        Sudo(program="sudo", user="bob", target="nightly", command="/usr/bin/make all"),
        Exec(pid=99, exe="/usr/bin/tar", argv=argv, uid=1002, auid=1000, session=3),
        Exec(pid=98, exe="/usr/bin/make", argv=("make", "all"), uid=1003, auid=1001, session=8),
    ]
    incident.batches.append(incident.batch(incident.app, "app", told))
    became = [(one.stay, one.target, one.command) for one in incident.proof().became]
    assert became == [(1, "deploy", "/bin/bash"), (1, "deploy", "/usr/bin/tar czf /srv/x.tgz /srv")]


def test_a_statement_that_is_missing_takes_the_negative_back(incident: Incident) -> None:
    incident.batches.append(incident.batch(incident.app, "app", []))
    del incident.batches[2]
    proof = incident.proof()
    assert proof.status == "incomplete"
    assert "Not everything that" in proof_words.conclusions(proof)[2]


def test_a_session_that_the_claim_leaves_out_is_named(incident: Incident) -> None:
    proof = incident.proof(incident.claims[:1])
    assert [(one.host, one.account, one.why) for one in proof.others] == [
        ("app", "alice", "from one of these sessions")
    ]
    assert "Not counted above: a login on app as alice" in proof_words.conclusions(proof)[-1]


def test_a_hop_that_no_signed_event_shows_is_only_claimed(incident: Incident) -> None:
    del incident.batches[1]
    incident.batches[:] = [
        incident.batches[0],
        incident.batch(incident.bastion, "bastion", []),
        incident.batches[1],
    ]
    proof = incident.proof()
    assert [stay.link for stay in proof.stays] == ["login", "claimed"]
    assert "the collector says so" in proof_words.link(proof, proof.stays[1])


def test_interim_reports_and_the_end_of_one_flow_are_not_added_up(incident: Incident) -> None:
    actor = Actor(pid=90, exe="/usr/bin/ssh", session=3)
    report = Report(
        flow=2, protocol="tcp", direction="out", local=Endpoint(ip="10.0.0.6", port=51_000), remote=AWAY,
        bytes_out=MEGA, bytes_in=0, actor=actor,
    )  # fmt: skip
    incident.batches.append(incident.batch(incident.app, "app", [report]))
    assert incident.proof().bytes_out == 25 * MEGA


def test_the_page_shows_everything_and_no_markup_of_events(incident: Incident) -> None:
    evil = Sudo(program="sudo", user="alice", target="root", command="<script>alert(1)</script>", session=3)
    incident.batches.append(incident.batch(incident.app, "app", [evil]))
    page = proof_html.page(incident.proof())
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    for text in ("25.0 MB", "203.0.113.9:443 (drop.example)", "SHA256:alice", "/etc/shadow", "Sessions"):
        assert text in page


def test_a_bundle_is_proven_without_a_server(
    incident: Incident, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    incident.bundle()
    story = Story(
        "abc123", "Data taken", "alice", incident.claims, (incident.bastion.agent, incident.app.agent),
        incident.began, time.time_ns(), (),
    )  # fmt: skip
    file, page = tmp_path / "incident.bundle", tmp_path / "incident.html"
    file.write_bytes(incident.record.raw_bundle(about=story))
    assert cli.main(["prove", "--bundle", str(file), "--html", str(page)]) == 0
    shown = capsys.readouterr().out
    assert "alice logged in from 198.51.100.7" in shown
    assert (
        "from session 7 of bastion: the connection and the login have the same addresses and ports" in shown
    )
    assert "25.0 MB left" in page.read_text()
    file.write_bytes(file.read_bytes().replace(b"abc123", b"abc124"))
    assert cli.main(["prove", "--bundle", str(file), "--json"]) == 0, "the claim itself is not signed"
    file.write_bytes(file.read_bytes()[:-1])
    assert cli.main(["prove", "--bundle", str(file)]) == 2
    assert cli.main(["prove"]) == 2
    assert "prove what?" in capsys.readouterr().err

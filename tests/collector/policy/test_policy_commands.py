"""`vedette-collector policy`: keys and signatures offline, decisions as acts, and the answer to a host."""

from __future__ import annotations

import asyncio
import hashlib
import json
from contextlib import closing
from pathlib import Path

import pytest

from collector import cli
from collector.enrolment import roll
from collector.policy import policies, rollout
from collector.state_db import StateDb
from evidence import endpoints, policy
from evidence.refusal import Code
from tests.collector.front import Answer, Front
from tests.collector.station import Host, Station

CONTENT = """
name = "fleet"
note = "first"
[settings]
heartbeat = 30
[settings.process.ignore]
programs = ["/opt/ci/runner"]
"""


class Desk:
    """A folder with a key and contents, beside a collector that is set up."""

    def __init__(self, folder: Path, station: Station) -> None:
        self.folder, self.station = folder, station
        self.config = folder / "collector.toml"
        self.config.write_text(f'state = "{station.paths.root}"\norigin = "{station.settings.origin}"\n')
        assert self.run("policy", "key", "new", str(folder / "key")) == 0

    def run(self, *words: str) -> int:
        return cli.main([*words, "--config", str(self.config)])

    def write(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    def sign(self, content: str, version: int, *more: str, key: str = "key") -> str:
        out = str(self.folder / f"v{version}.policy")
        words = ("--version", str(version), "--key", str(self.folder / key), "--out", out)
        assert self.run("policy", "sign", content, *words, *more) == 0
        return out

    def decide(self, verb: str, document: str, *more: str) -> int:
        return self.run("policy", verb, document, "--reason", "a test", *more)

    @property
    def public(self) -> str:
        return str(self.folder / "key.pub")


@pytest.fixture
def desk(tmp_path: Path, station: Station) -> Desk:
    return Desk(tmp_path, station)


def enrolled(station: Station, folder: Path) -> Host:
    with closing(station.keeper()) as keeper:
        host = station.enrol(keeper, folder)
    roll.enrolments(station.paths)
    return host


def ask(station: Station, host: Host | None, known: bytes = b"") -> Answer:
    async def asked() -> Answer:
        with closing(station.keeper()) as keeper:
            headers = [(endpoints.KNOWN_POLICY.encode(), hashlib.sha256(known).hexdigest().encode())]
            front = Front(station, keeper)
            agent = host.agent if host is not None else None
            return await front.ask("GET", endpoints.POLICY, agent=agent, headers=headers)

    return asyncio.run(asked())


def test_a_key_is_its_owners_alone_and_can_be_encrypted(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    key = desk.folder / "key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert policy.parse_key((desk.folder / "key.pub").read_text())
    assert desk.run("policy", "key", "new", str(key)) == 2
    content = desk.write("fleet.toml", CONTENT)
    key.chmod(0o644)
    words = ("--version", "1", "--out", str(desk.folder / "x"))
    assert desk.run("policy", "sign", content, "--key", str(key), *words) == 2
    assert "others may read it" in capsys.readouterr().err
    secret, wrong = desk.write("secret", "a long passphrase\n"), desk.write("wrong", "another passphrase\n")
    locked = str(desk.folder / "locked")
    assert desk.run("policy", "key", "new", locked, "--passphrase-file", desk.write("short", "short")) == 2
    assert desk.run("policy", "key", "new", locked, "--passphrase-file", secret) == 0
    assert desk.run("policy", "sign", content, "--key", locked, *words) == 2
    assert desk.run("policy", "sign", content, "--key", locked, *words, "--passphrase-file", wrong) == 2
    assert desk.run("policy", "sign", content, "--key", locked, *words, "--passphrase-file", secret) == 0
    said = capsys.readouterr()
    assert "a long passphrase" not in said.out + said.err
    assert b"ENCRYPTED" in (desk.folder / "locked").read_bytes()


def test_check_says_what_would_change_and_what_no_host_takes(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    first = desk.sign(desk.write("fleet.toml", CONTENT), 1)
    capsys.readouterr()
    changed = desk.write("next.toml", CONTENT.replace("30", "20"))
    assert desk.run("policy", "check", changed, "--against", first) == 0
    assert "- heartbeat = 30.0\n+ heartbeat = 20.0\n" in capsys.readouterr().out
    assert desk.run("policy", "check", first, "--public", desk.public, "--json") == 0
    assert json.loads(capsys.readouterr().out)["changes"]["heartbeat"] == [None, 30.0]
    for text, said in (
        (CONTENT.replace("/opt/ci/runner", "/usr/bin/sudo"), "sudo"),
        (CONTENT.replace("heartbeat", "heartbeet"), "heartbeet"),
        (CONTENT + "[settings.collector]\ningest = 'x'\n", "collector"),
        ("name =", "not valid TOML"),
    ):
        assert desk.run("policy", "check", desk.write("bad.toml", text)) == 2
        assert said in capsys.readouterr().err
    other = desk.folder / "other"
    assert desk.run("policy", "key", "new", str(other)) == 0
    assert desk.run("policy", "check", first, "--public", f"{other}.pub") == 1


def test_a_policy_is_staged_rolled_out_and_back_by_acts(
    desk: Desk, station: Station, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host = enrolled(station, tmp_path)
    assert ask(station, host).body == b""
    first = desk.sign(desk.write("fleet.toml", CONTENT), 1)
    assert desk.decide("roll-out", first) == 2
    assert "--public" in capsys.readouterr().err
    assert desk.decide("stage", first, "--public", desk.public, "--label", "role=web") == 0
    assert ask(station, host).body == b""
    assert desk.decide("roll-out", "fleet@1") == 0
    offered = ask(station, host)
    assert (offered.status, offered.body) == (200, Path(first).read_bytes())
    assert offered.headers["content-type"] == "application/vnd.vedette.policies"
    assert ask(station, host, known=offered.body).body == b""
    second = desk.sign(desk.write("two.toml", CONTENT.replace("30", "20")), 2)
    assert desk.decide("roll-out", second) == 0
    assert desk.decide("roll-back", desk.sign(desk.write("three.toml", CONTENT.replace("30", "9")), 3)) == 2
    assert "no earlier version" in capsys.readouterr().err
    back = desk.sign(first, 4)
    assert desk.decide("roll-back", back) == 0
    assert "says what 1 said" in capsys.readouterr().out
    assert ask(station, host).body == Path(back).read_bytes()
    assert desk.run("policy", "list", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert [one["version"] for one in listed] == [1, 2, 4]
    assert [one["verb"] for one in listed[0]["decisions"]] == ["policy.stage", "policy.roll-out"]
    assert listed[2]["decisions"][0]["verb"] == "policy.roll-back"


def test_what_hosts_would_refuse_is_not_offered(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    content = desk.write("fleet.toml", CONTENT)
    old, first = desk.sign(content, 2), desk.sign(content, 3)
    assert desk.decide("roll-out", first, "--public", desk.public) == 0
    assert desk.decide("roll-out", old) == 2
    assert "higher --version" in capsys.readouterr().err
    assert desk.run("policy", "key", "new", str(desk.folder / "other")) == 0
    forged = desk.sign(content, 4, key="other")
    assert desk.decide("roll-out", forged) == 2
    assert "none of the keys" in capsys.readouterr().err
    assert desk.decide("stage", desk.sign(content, 5), "--percent", "101") == 2


def test_a_next_key_is_trusted_once_the_former_named_it(desk: Desk, station: Station, tmp_path: Path) -> None:
    host = enrolled(station, tmp_path)
    content = desk.write("fleet.toml", CONTENT)
    assert desk.run("policy", "key", "new", str(desk.folder / "next")) == 0
    turn = desk.sign(content, 1, "--next-key", str(desk.folder / "next.pub"))
    assert desk.decide("roll-out", turn, "--public", desk.public) == 0
    after = desk.sign(content, 2, key="next")
    assert desk.decide("roll-out", after) == 0
    assert ask(station, host).body == Path(turn).read_bytes() + Path(after).read_bytes()


def test_the_loss_of_the_database_loses_no_decision(desk: Desk, station: Station) -> None:
    first = desk.sign(desk.write("fleet.toml", CONTENT), 1)
    assert desk.decide("roll-out", first, "--public", desk.public) == 0
    before = policies.known(station.paths).decisions()
    with StateDb(station.paths.state_db).transaction() as db:
        db.execute("DROP TABLE policies")
        db.execute("DELETE FROM projections WHERE name = 'policies'")
    assert policies.Policies(StateDb(station.paths.state_db)).decisions() == []
    assert policies.known(station.paths).decisions() == before
    (offer,) = rollout.offers(before)
    assert offer.envelope == Path(first).read_bytes().strip()


def test_strangers_and_revoked_hosts_are_refused(station: Station) -> None:
    answer = ask(station, None)
    assert answer.status != 200
    assert answer.refusal.code in (Code.UNKNOWN_AGENT, Code.NOT_THIS_AGENT)

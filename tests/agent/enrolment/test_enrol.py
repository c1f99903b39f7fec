from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import cli, identity, machine
from agent.command import FAULT, FINE, NOT_ENROLLED
from agent.enrolment import enrol
from agent.errors import DeliveryError, IdentityError, NotEnrolled
from agent.layout import Layout
from agent.supervision.privilege import Account
from evidence import host_receipts
from evidence.enrolment import Facts
from tests.agent.enrolled import collector_settings, enrolled
from tests.agent.fake_collector import AGENT_ID, REDACTION, SECRET, Ca, FakeCollector, running

FACTS = Facts("m1", "b1", "host", instance_id="dmi:i1")


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[FakeCollector]:
    with running(FakeCollector(), tmp_path) as found:
        yield found


def ask(layout: Layout, collector: FakeCollector) -> identity.Stored:
    return enrol.enrol(layout, collector_settings(collector), collector.token, None, os.urandom)


def test_enrolment_gives_an_identity_that_loads(collector: FakeCollector, tmp_path: Path) -> None:
    layout = enrolled(collector, tmp_path / "state")
    found = identity.load(layout)
    assert (found.agent, found.epoch, found.redaction_key) == (AGENT_ID, 1, REDACTION)
    assert found.signer.public.hex() == collector.enrolled[0].public
    assert found.ledger == collector.log.key
    assert "signer" not in repr(found)
    assert identity.load_binding(layout).agent == AGENT_ID


def test_secrets_are_0600_and_the_spool_key_is_for_the_group(
    collector: FakeCollector, tmp_path: Path
) -> None:
    layout = enrolled(collector, tmp_path / "state")
    modes = {
        path: stat.S_IMODE(path.stat().st_mode)
        for path in (layout.signing_key, layout.identity, layout.certificate, layout.spool_key)
    }
    assert list(modes.values()) == [0o600, 0o600, 0o600, 0o640]
    assert not (layout.watch / "pending.key").exists()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_a_package_made_for_watch_stays_watchs(collector: FakeCollector, tmp_path: Path) -> None:
    watch, ship = Account(61_184, 61_184), Account(61_185, 61_185)
    layout = Layout(tmp_path / "state")
    layout.watch.mkdir(parents=True)
    os.chown(layout.watch, watch.uid, watch.gid)
    enrol.enrol(layout, collector_settings(collector), collector.token, ship, os.urandom)
    owners = {
        path: (path.stat().st_uid, path.stat().st_gid)
        for path in (layout.signing_key, layout.identity, layout.spool_key, layout.out, layout.certificate)
    }
    assert list(owners.values()) == [
        (watch.uid, watch.gid),
        (watch.uid, watch.gid),
        (watch.uid, ship.gid),
        (watch.uid, ship.gid),
        (ship.uid, ship.gid),
    ]


def test_another_ca_than_the_pinned_one_never_sees_the_secret(
    collector: FakeCollector, tmp_path: Path
) -> None:
    layout = Layout(tmp_path / "state")
    token = msgspec.structs.replace(collector.token, pin=Ca().pin)
    with pytest.raises(DeliveryError, match="another CA"):
        enrol.enrol(layout, collector_settings(collector), token, None, os.urandom)
    assert collector.nonces == 0
    assert not layout.identity.exists()


def test_a_wrong_secret_is_refused_and_names_where_the_reason_is(
    collector: FakeCollector, tmp_path: Path
) -> None:
    token = msgspec.structs.replace(collector.token, secret="x" * 43)
    with pytest.raises(DeliveryError, match="collector's log") as caught:
        enrol.enrol(Layout(tmp_path / "s"), collector_settings(collector), token, None, os.urandom)
    assert "x" * 43 not in str(caught.value)


@pytest.mark.parametrize(
    "lie",
    [
        {"agent": "ef" * 16},
        {"ledger_key": "nonsense"},
        {"entry": "AgICAg=="},
        {"redaction_key": "!"},
        {"receipt": "{}"},
        {"certificate": Ca().pem},
    ],
)
def test_an_answer_that_does_not_hold_together_is_refused(
    collector: FakeCollector, tmp_path: Path, lie: dict[str, str]
) -> None:
    collector.reply_lie = lambda reply: msgspec.structs.replace(reply, **lie)
    layout = Layout(tmp_path / "state")
    with pytest.raises(DeliveryError, match="does not verify"):
        ask(layout, collector)
    assert not layout.identity.exists()


def test_a_host_whose_answer_was_lost_asks_again_with_the_same_keys(
    collector: FakeCollector, tmp_path: Path
) -> None:
    layout = Layout(tmp_path / "state")
    collector.reply_lie = lambda reply: msgspec.structs.replace(reply, receipt="")
    with pytest.raises(DeliveryError):
        ask(layout, collector)
    collector.reply_lie = None
    ask(layout, collector)
    first, second = collector.enrolled
    assert first.public == second.public


def test_nobody_listening_is_said_in_one_line(collector: FakeCollector, tmp_path: Path) -> None:
    nowhere = msgspec.structs.replace(collector_settings(collector), enrol="https://127.0.0.1:1")
    with pytest.raises(DeliveryError, match=r"127\.0\.0\.1:1"):
        enrol.enrol(Layout(tmp_path / "s"), nowhere, collector.token, None, os.urandom)


def test_the_command_enrols_once_and_says_so_again(
    collector: FakeCollector, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "agent.toml"
    listeners = f'ingest = "{collector.ingest}"\nenrol = "{collector.enrol}"\n'
    config.write_text(f'state = "{tmp_path}/state"\n[collector]\n{listeners}')
    token = tmp_path / "token"
    token.write_text(collector.token.line() + "\n")
    common = ["--config", str(config)]
    assert cli.main(["receipts", "export", *common]) == NOT_ENROLLED
    assert cli.main(["enroll", "--token-file", str(token), *common]) == FINE
    assert cli.main(["enroll", *common]) == FINE
    out = capsys.readouterr()
    assert "already enrolled" in out.out
    assert SECRET not in out.out + out.err
    assert cli.main(["receipts", "export", *common]) == FINE
    told = host_receipts.decode(capsys.readouterr().out.encode())
    assert (told[0].host.agent, told[0].host.ledger_key) == (AGENT_ID, str(collector.log.key))
    for verb in ("status", "verify", "flush"):
        assert cli.main(["spool", verb, *common]) == FINE
    assert cli.main(["unenroll", *common]) == FINE
    assert cli.main(["spool", "status", *common]) == NOT_ENROLLED


def test_a_bad_token_is_named_without_its_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "agent.toml"
    config.write_text(f'state = "{tmp_path}/state"\n')
    monkeypatch.setenv("VEDETTE_TOKEN", "vdt1.abc." + SECRET)
    assert cli.main(["enroll", "--config", str(config)]) == FAULT
    err = capsys.readouterr().err
    assert "copy the whole line" in err
    assert SECRET not in err


def test_a_clone_refuses_and_names_the_way_out(collector: FakeCollector, tmp_path: Path) -> None:
    layout = enrolled(collector, tmp_path / "state")
    clone = msgspec.structs.replace(machine.read(), machine_id="another")
    for load in (identity.load, identity.load_binding):
        with pytest.raises(IdentityError, match="reset-identity"):
            load(layout, clone)


@pytest.mark.parametrize(
    ("now", "copied"),
    [
        (FACTS, False),
        (msgspec.structs.replace(FACTS, machine_id="m2"), True),
        (msgspec.structs.replace(FACTS, instance_id="dmi:i2"), True),
        (msgspec.structs.replace(FACTS, instance_id=None), False),
        (msgspec.structs.replace(FACTS, instance_id="cloud-init:i2"), False),
        (msgspec.structs.replace(FACTS, machine_id="unknown"), False),
        (msgspec.structs.replace(FACTS, host="renamed", boot_id="b2"), False),
    ],
)
def test_only_a_changed_id_of_the_same_source_makes_a_clone(now: Facts, copied: bool) -> None:
    assert (machine.moved(FACTS, now) is not None) == copied


def test_facts_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/machine-id").write_text("abc\n")
    (tmp_path / "etc/os-release").write_text('NAME=x\nPRETTY_NAME="Debian GNU/Linux 12"\n')
    (tmp_path / "sys/class/dmi/id").mkdir(parents=True)
    (tmp_path / "sys/class/dmi/id/product_uuid").write_text("EC2-AB\n")
    facts = machine.read(tmp_path)
    assert (facts.machine_id, facts.os, facts.instance_id) == ("abc", "Debian GNU/Linux 12", "dmi:ec2-ab")
    assert facts.boot_id == "unknown"


@given(st.text())
def test_no_os_release_breaks_it(text: str) -> None:
    found = machine.os_name(text)
    assert found is None or isinstance(found, str)


@settings(max_examples=50)
@given(st.data())
def test_a_damaged_identity_is_named_not_used(data: st.DataObject) -> None:
    stored = identity.Stored(AGENT_ID, 1, "0" * 64, "k", "cg==", "note", "1" * 64, FACTS)
    raw = bytearray(identity.encode(stored))
    at = data.draw(st.integers(0, len(raw) - 2))
    raw[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(IdentityError, match=re.escape("identity.json")):
        identity.decode(bytes(raw), "identity.json")


def test_without_identity_the_message_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(NotEnrolled, match="vedette-agent enroll"):
        identity.load(Layout(tmp_path))


def test_enrolling_over_an_identity_is_refused(collector: FakeCollector, tmp_path: Path) -> None:
    layout = enrolled(collector, tmp_path / "state")
    with pytest.raises(IdentityError, match="is enrolled"):
        ask(layout, collector)

"""Enrolment without a person: where tokens come from, waiting, copies of a host, and images."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import cli, identity
from agent.command import FAULT, FINE, FOUND
from agent.enrolment import enrol, sealing_image, token_source
from agent.errors import AgentError, CollectorAway, IdentityError
from agent.kernel import pin_folders
from agent.layout import Layout
from agent.settings import Settings
from evidence.enrolment import Token
from tests.agent.enrolled import collector_settings
from tests.agent.fake_collector import SECRET, FakeCollector, running

OTHER = Token("f" * 16, "x" * 43, "e" * 64)


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[FakeCollector]:
    with running(FakeCollector(), tmp_path) as found:
        yield found


class Host:
    """A state folder with its settings and a token file."""

    def __init__(self, root: Path, collector: FakeCollector) -> None:
        root.mkdir(exist_ok=True)
        self.layout = Layout(root / "state")
        self.config = root / "agent.toml"
        self.config.write_text(
            f'state = "{root}/state"\nruntime = "{root}/run"\n'
            f'[collector]\ningest = "{collector.ingest}"\nenrol = "{collector.enrol}"\n'
        )
        self.token = root / "token"
        self.token.touch(mode=0o600)
        self.token.write_text(collector.token.line() + "\n")

    def run(self, *words: str) -> int:
        return cli.main([*words, "--config", str(self.config)])


@pytest.fixture
def host(collector: FakeCollector, tmp_path: Path) -> Host:
    return Host(tmp_path / "host", collector)


def test_the_token_comes_from_the_nearest_place(tmp_path: Path) -> None:
    own, credential, waited = (Token(digit * 16, digit * 43, digit * 64) for digit in "123")
    (tmp_path / "own").write_text(own.line())
    (tmp_path / token_source.CREDENTIAL).write_text(credential.line())
    (tmp_path / "waited").write_text(waited.line())
    around = {"CREDENTIALS_DIRECTORY": str(tmp_path), token_source.VARIABLE: OTHER.line()}

    def token(file: Path | None, environment: dict[str, str]) -> Token | None:
        found = token_source.find(file, environment, tmp_path / "waited")
        return None if found is None else found.token

    assert token(tmp_path / "own", around) == own
    assert token(None, around) == credential
    assert token(None, {token_source.VARIABLE: OTHER.line()}) == OTHER
    assert token(None, {"CREDENTIALS_DIRECTORY": str(tmp_path / "none")}) == waited
    (tmp_path / "waited").unlink()
    assert token(None, {}) is None


def test_a_token_that_others_may_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(OTHER.line())
    file.chmod(0o644)
    found = token_source.find(file, {})
    assert found is not None
    assert found.problem is not None
    assert f"chmod 600 {file}" in found.problem
    file.chmod(0o400)
    again = token_source.find(file, {})
    assert again is not None
    assert again.problem is None


@given(st.binary(max_size=300))
def test_whatever_a_token_file_holds_its_content_is_never_shown(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    file = tmp_path_factory.mktemp("t") / "token"
    file.write_bytes(b"vdt1.secret." + raw)
    with pytest.raises(IdentityError) as caught:
        token_source.find(file, {})
    assert "secret" not in str(caught.value).replace("vdt1.<id>.<secret>.<pin>", "")


def test_a_host_without_a_token_waits_and_that_is_no_fault(
    host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(token_source.VARIABLE, raising=False)
    monkeypatch.setattr(token_source, "WAITED_FOR", host.token.with_name("none"))
    assert host.run("enroll", "--needed") == FINE
    assert host.run("enroll", "--wait", "--json") == FINE
    assert msgspec.json.decode(capsys.readouterr().out.splitlines()[-1])["status"] == "waiting for a token"
    assert not host.layout.identity.exists()


def test_once_enrolled_the_token_is_gone_and_again_is_fine(
    host: Host, collector: FakeCollector, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("enroll", "--wait", "--delete-token", "--token-file", str(host.token))
    assert host.run(*words) == FINE
    assert not host.token.exists()
    assert host.run(*words) == FINE
    assert len(collector.enrolled) == 1
    assert host.run("enroll", "--needed") == FOUND
    out = capsys.readouterr()
    assert SECRET not in out.out + out.err


def test_no_token_is_ever_an_argument(host: Host, collector: FakeCollector) -> None:
    assert host.run("enroll", "--token", collector.token.line()) == FAULT
    assert host.run("enroll", collector.token.line()) == FAULT
    assert not host.layout.identity.exists()


def test_it_waits_until_the_collector_is_back(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    answers = iter([CollectorAway("nobody"), CollectorAway("nobody"), None])
    real = enrol.fetch_anchor

    def away_twice(url: str, pin: str, timeout: float) -> str:
        problem = next(answers)
        if problem is not None:
            raise problem
        return real(url, pin, timeout)

    monkeypatch.setattr(enrol, "fetch_anchor", away_twice)
    monkeypatch.setattr(time, "sleep", pauses.append)
    assert host.run("enroll", "--wait", "--token-file", str(host.token)) == FINE
    assert len(pauses) == 2
    assert host.layout.identity.exists()


def test_a_refusal_is_final_and_keeps_the_token(host: Host, collector: FakeCollector) -> None:
    wrong = msgspec.structs.replace(collector.token, secret="x" * 43)
    host.token.write_text(wrong.line())
    assert host.run("enroll", "--wait", "--delete-token", "--token-file", str(host.token)) == FAULT
    assert host.token.exists()


def test_a_collector_that_is_away_is_told_apart_from_one_that_refuses(
    collector: FakeCollector, tmp_path: Path
) -> None:
    nowhere = msgspec.structs.replace(collector_settings(collector), enrol="https://127.0.0.1:1")
    with pytest.raises(CollectorAway):
        enrol.enrol(Layout(tmp_path / "s"), nowhere, collector.token, None, os.urandom)


def as_copied(layout: Layout) -> None:
    """Make the identity one of another machine, as it is in a copy."""
    stored = identity.read(layout)
    facts = msgspec.structs.replace(stored.facts, machine_id="0" * 32)
    layout.identity.write_bytes(identity.encode(msgspec.structs.replace(stored, facts=facts)))


def test_a_copy_drops_the_identity_it_came_with_and_enrols_as_itself(
    host: Host, collector: FakeCollector, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert host.run("enroll", "--token-file", str(host.token)) == FINE
    as_copied(host.layout)
    monkeypatch.setattr(token_source, "WAITED_FOR", host.token.with_name("none"))
    key = host.layout.signing_key.read_bytes()
    assert host.run("enroll") == FAULT
    assert "is a copy" in capsys.readouterr().err
    assert host.layout.signing_key.read_bytes() == key
    assert host.run("enroll", "--needed") == FINE
    assert host.run("enroll", "--wait", "--token-file", str(host.token)) == FINE
    assert host.layout.signing_key.read_bytes() != key
    assert len({asked.public for asked in collector.enrolled}) == 2
    identity.load(host.layout)


def test_an_image_has_nothing_of_the_host_it_was_made_from(
    host: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    assert host.run("enroll", "--token-file", str(host.token)) == FINE
    runtime = host.config.parent / "run"
    (runtime / "folder").mkdir(parents=True)
    (runtime / "unsealed.1").write_bytes(b"x")
    settings = Settings(state=host.layout.state, runtime=runtime)
    secrets = [
        path.read_bytes()
        for path in (host.layout.signing_key, host.layout.certificate, host.layout.spool_key)
    ]
    gone = sealing_image.clean(settings, (host.token,))
    assert {host.layout.watch, host.layout.ship, host.layout.spool, host.token} <= set(gone)
    left = [path.read_bytes() for path in host.config.parent.rglob("*") if path.is_file()]
    assert not [
        True for raw in left for secret in secrets if secret in raw or base64.b64encode(secret) in raw
    ]
    assert sealing_image.clean(settings, (host.token,)) == ()
    assert host.run("seal-image", "--keep-token", "--json") == FINE
    assert msgspec.json.decode(capsys.readouterr().out.splitlines()[-1])["deleted"] == []


def test_no_image_is_made_of_a_host_that_is_watched(host: Host) -> None:
    assert host.run("enroll", "--token-file", str(host.token)) == FINE
    (host.layout.watch / "pins").write_text("a" * 32)
    held = pin_folders.hold(host.layout.watch)
    assert held is not None
    try:
        with pytest.raises(AgentError, match="--stop"):
            sealing_image.clean(Settings(state=host.layout.state, runtime=host.config.parent / "run"), ())
        assert host.run("seal-image", "--keep-token") == FAULT
    finally:
        os.close(held)
    assert host.layout.identity.exists()
    assert host.run("seal-image", "--keep-token") == FINE
    assert not host.layout.identity.exists()


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_the_packages_folder_outlives_the_identity(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "state")
    layout.watch.mkdir(parents=True)
    os.chown(layout.watch, 61_184, 61_184)
    sealing_image.clean(Settings(state=layout.state, runtime=tmp_path / "run"), ())
    assert (layout.watch.stat().st_uid, list(layout.watch.iterdir())) == (61_184, [])


def test_one_machine_id_for_all_copies_is_told(tmp_path: Path) -> None:
    file = tmp_path / "machine-id"
    assert not sealing_image.shared_id(file)
    for text, shared in (("", False), ("uninitialized\n", False), ("0123\n", True)):
        file.write_text(text)
        assert sealing_image.shared_id(file) is shared

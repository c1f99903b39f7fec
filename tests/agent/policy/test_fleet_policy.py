"""The policy on a host: taken live, kept over restarts, ended in time, refused by name, kept out at will."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from agent import settings
from agent.policy import policy_shown
from agent.policy.policy_told import HOUR, MOST
from agent.settings import Settings
from agent.spool.disk import LocalDisk
from evidence import policy
from evidence.kind import Body
from evidence.kinds.policy import Applied, Refused
from evidence.policy_settings import Filtered, Ignore, PolicySettings, Section
from tests.agent.policies import DAY, KEY, NOW, OTHER, QUIETER, SECOND, Host, document, signed


def grounds(bodies: tuple[Body, ...]) -> list[str]:
    return [body.ground for body in bodies if isinstance(body, Refused)]


def applied(bodies: tuple[Body, ...]) -> Applied:
    (body,) = bodies
    assert isinstance(body, Applied)
    return body


def test_a_policy_is_applied_live_told_and_kept(tmp_path: Path) -> None:
    host = Host(tmp_path)
    fleet = host.start()
    assert fleet.look(host.now).bodies == ()
    host.hand_over(signed(document(4)))
    step = fleet.look(host.later(SECOND))
    told = applied(step.bodies)
    assert (told.name, told.version, told.cause) == ("fleet", 4, "taken")
    assert told.changed == ("file.decoys", "file.exclude", "heartbeat", "process.ignore.programs")
    assert step.sensors >= {"process", "file"}
    assert fleet.settings.process.ignore.programs == ("/opt/ci/runner",)
    assert fleet.settings.file.trees == Settings().file.trees
    assert not fleet.look(host.later(SECOND)).bodies
    again = host.start()
    assert (again.settings, again.digest) == (fleet.settings, told.digest)
    assert not again.begin()
    assert not again.look(host.later(SECOND)).bodies


def test_a_rollback_is_a_new_version_and_names_what_it_replaces(tmp_path: Path) -> None:
    host = Host(tmp_path)
    fleet = host.start()
    host.hand_over(signed(document(1)))
    first = applied(fleet.look(host.later(SECOND)).bodies)
    host.hand_over(signed(document(2, settings=PolicySettings(heartbeat=20.0))))
    second = applied(fleet.look(host.later(SECOND)).bodies)
    assert second.before == first.digest
    assert not fleet.settings.process.ignore.programs
    host.hand_over(signed(document(1)))
    assert grounds(fleet.look(host.later(SECOND)).bodies) == ["older"]
    host.hand_over(signed(document(3)))
    third = applied(fleet.look(host.later(SECOND)).bodies)
    assert third.version == 3
    assert fleet.settings.process.ignore.programs == ("/opt/ci/runner",)


def test_without_a_pinned_key_and_where_it_is_forbidden_nothing_is_read(tmp_path: Path) -> None:
    for number, (host, said) in enumerate(
        [
            (Host(tmp_path, pinned=None), "no key is pinned"),
            (Host(tmp_path, local=Settings(policy=settings.Policy(accept=False))), "not accepted here"),
        ]
    ):
        fleet = host.start()
        host.hand_over(signed(document(number + 1)))
        assert grounds(fleet.look(host.later(SECOND)).bodies) == [said]
        assert fleet.settings == host.local


def test_the_operator_of_a_host_keeps_a_policy_out_and_lets_it_in_again(tmp_path: Path) -> None:
    host = Host(tmp_path)
    fleet = host.start()
    host.hand_over(signed(document(1)))
    fleet.look(host.later(SECOND))
    host.local = Settings(policy=settings.Policy(accept=False))
    out = host.start()
    assert applied(out.begin()).cause == "kept out"
    assert out.settings == host.local
    assert host.start().begin() == ()
    host.local = Settings()
    back = host.start()
    assert applied(back.begin()).cause == "put back"
    assert back.settings == fleet.settings


def test_at_its_end_the_filters_end_and_the_decoys_stay(tmp_path: Path) -> None:
    host = Host(tmp_path)
    fleet = host.start()
    host.hand_over(signed(document(1)))
    fleet.look(host.later(SECOND))
    step = fleet.look(host.later(DAY))
    told = applied(step.bodies)
    assert (told.cause, told.changed) == ("ended", ("file.exclude", "process.ignore.programs"))
    assert fleet.settings.file.decoys == ("/srv/salaries.csv",)
    assert fleet.settings.file.exclude == Settings().file.exclude
    assert fleet.look(host.later(SECOND)).bodies == ()
    again = host.start()
    assert (again.settings, again.begin()) == (fleet.settings, ())


def test_one_that_begins_later_is_applied_then(tmp_path: Path) -> None:
    host = Host(tmp_path)
    fleet = host.start()
    host.hand_over(signed(document(1, from_=NOW + 60 * SECOND)))
    assert fleet.look(host.later(SECOND)).bodies == ()
    assert applied(fleet.look(host.later(60 * SECOND)).bodies).cause == "taken"


@pytest.mark.parametrize("gone", ["policy.json", "policy.marks"])
def test_a_file_that_was_deleted_or_damaged_is_told(tmp_path: Path, gone: str) -> None:
    host = Host(tmp_path)
    host.hand_over(signed(document(5)))
    host.start().look(host.later(SECOND))
    path = tmp_path / "watch" / gone
    for harm in (path.unlink, lambda: path.write_bytes(b"{}\nabc\n")):
        harm()
        fleet = host.start()
        assert grounds(fleet.begin()) == ["record is gone"]
        host.hand_over(signed(document(4)))
        assert grounds(fleet.look(host.later(SECOND)).bodies) == ["older"]
        host.hand_over(signed(document(5)))
        fleet.look(host.later(SECOND))
        assert fleet.settings.heartbeat == 30.0


def test_an_older_file_that_was_put_back_is_told_and_does_not_hold(tmp_path: Path) -> None:
    host = Host(tmp_path)
    fleet = host.start()
    host.hand_over(signed(document(1)))
    fleet.look(host.later(SECOND))
    kept = (tmp_path / "watch/policy.json").read_bytes()
    host.hand_over(signed(document(2, settings=PolicySettings())))
    fleet.look(host.later(SECOND))
    (tmp_path / "watch/policy.json").write_bytes(kept)
    again = host.start()
    assert grounds(again.begin()) == ["record is older"]
    assert again.settings == host.local


@given(st.binary(max_size=120), st.sampled_from(["policy.json", "policy.marks"]), st.booleans())
@example_settings(max_examples=60, deadline=None)
def test_whatever_the_record_holds_watch_starts_and_goes_no_version_back(
    noise: bytes,
    name: str,
    sealed: bool,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        host = Host(Path(folder))
        host.hand_over(signed(document(5)))
        host.start().look(host.later(SECOND))
        line = noise.replace(b"\n", b"") if sealed else noise
        tail = b"\n" + hashlib.sha256(line).hexdigest().encode() if sealed else b""
        (host.folder / "watch" / name).write_bytes(line + tail)
        fleet = host.start()
        assert grounds(fleet.begin()) == ["record is gone"]
        host.hand_over(signed(document(4)))
        assert grounds(fleet.look(host.later(SECOND)).bodies) == ["older"]


def test_another_pinned_key_begins_anew(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.hand_over(signed(document(9)))
    host.start().look(host.later(SECOND))
    host.pinned = OTHER.public
    fleet = host.start()
    assert fleet.settings == host.local
    assert grounds(fleet.look(host.now).bodies) == ["another key"]
    host.hand_over(signed(document(1), key=OTHER))
    assert applied(fleet.look(host.later(SECOND)).bodies).version == 1


def test_what_is_too_large_or_no_file_is_not_read(tmp_path: Path) -> None:
    host = Host(tmp_path)
    fleet = host.start()
    host.hand_over(b"x" * (policy.BUNDLE_LIMIT + 1))
    assert grounds(fleet.look(host.later(SECOND)).bodies) == ["too large"]
    host.handed.unlink()
    host.handed.symlink_to(tmp_path / "watch")
    assert fleet.look(host.later(SECOND)).bodies == ()
    host.handed.unlink()
    os.mkfifo(host.handed)
    assert fleet.look(host.later(SECOND)).bodies == ()


def test_a_link_does_not_lead_below_the_floor(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: no path below a folder for temporary files is taken for a program's")
    host = Host(tmp_path)
    fleet = host.start()
    with tempfile.TemporaryDirectory(prefix="vedette-policy-", dir="/var/lib") as folder:
        link = Path(folder) / "runner"
        link.symlink_to("/bin/sh")
        hidden = PolicySettings(dns=Filtered(ignore=Ignore(programs=(f"{folder}/runner*",))))
        with pytest.raises(ValueError, match="cannot be left out"):
            Ignore(programs=(f"{folder}/r*",))
        host.hand_over(signed(document(1, settings=hidden)))
        (refused,) = fleet.look(host.later(SECOND)).bodies
    assert isinstance(refused, Refused)
    assert (refused.ground, "every host tells" in refused.message) == ("unusable here", True)
    assert fleet.settings == host.local


def test_a_flood_of_refusals_is_bounded_and_counted(tmp_path: Path) -> None:
    host = Host(tmp_path)
    fleet = host.start()
    told: list[Body] = []
    for number in range(40):
        host.hand_over(b"noise %d\n" % number)
        told += fleet.look(host.later(SECOND)).bodies
        told += fleet.look(host.later(SECOND)).bodies
    assert len(told) == MOST
    host.hand_over(b"more noise\n")
    (last,) = fleet.look(host.later(HOUR)).bodies
    assert isinstance(last, Refused)
    assert last.more == 30


class Full(LocalDisk):
    """A disk that takes nothing."""

    def replace(self, path: Path, data: bytes, *, durable: bool = True) -> None:  # noqa: ARG002
        raise OSError(28, f"no space for {len(data)} bytes", str(path))


def test_what_cannot_be_kept_does_not_hold(tmp_path: Path) -> None:
    host = Host(tmp_path, keeping=Full())
    fleet = host.start()
    host.hand_over(signed(document(1)))
    assert grounds(fleet.look(host.later(SECOND)).bodies) == ["cannot be kept"]
    assert fleet.settings == host.local


class Torn(LocalDisk):
    """A disk whose power goes after so many files."""

    def __init__(self, files: int) -> None:
        super().__init__(0o600)
        self.files = files

    def replace(self, path: Path, data: bytes, *, durable: bool = True) -> None:
        self.files -= 1
        if self.files < 0:
            raise OSError(5, "power cut", str(path))
        super().replace(path, data, durable=durable)


@pytest.mark.parametrize("files", range(5))
def test_a_power_cut_at_any_write_loses_no_order_and_is_no_alarm(tmp_path: Path, files: int) -> None:
    host = Host(tmp_path)
    host.hand_over(signed(document(1)))
    host.start().look(host.later(SECOND))
    host.keeping = Torn(files)
    fleet = host.start()
    host.hand_over(signed(document(2, settings=PolicySettings(heartbeat=20.0))))
    fleet.look(host.later(SECOND))
    host.keeping = None
    again = host.start()
    assert grounds(again.begin()) == []
    again.look(host.later(SECOND))
    assert again.settings.heartbeat == 20.0


def test_commands_show_what_holds(tmp_path: Path) -> None:
    host = Host(tmp_path, local=Settings(state=tmp_path))
    assert policy_shown.held(host.local) is None
    host.hand_over(signed(document(3)))
    fleet = host.start()
    fleet.look(host.later(SECOND))
    held = policy_shown.held(host.local)
    assert held is not None
    assert (held.version, held.settings) == (3, fleet.settings)
    assert held.names == ("heartbeat", "process.ignore.programs", "file.exclude", "file.decoys")
    shown = fleet.status()
    assert shown is not None
    assert (shown.name, shown.version, shown.state, shown.refused) == ("fleet", 3, "taken", None)


def test_every_setting_of_a_policy_is_one_of_the_agents_and_its_floor_is_watched_by_default() -> None:
    defaults = msgspec.to_builtins(Settings(), enc_hook=str)

    def compare(section: type[msgspec.Struct], table: dict[str, object]) -> None:
        for field in msgspec.structs.fields(section):
            assert field.name in table
            inner = [
                one for one in get_args(field.type) if isinstance(one, type) and issubclass(one, Section)
            ]
            if inner:
                value = table[field.name]
                assert isinstance(value, dict)
                compare(inner[0], value)

    compare(PolicySettings, defaults)
    file, acts = defaults["file"], defaults["acts"]
    lists = {name: file[name] for name in ("trees", "sensitive")}
    said = msgspec.convert({"file": lists, "acts": {"sockets": acts["sockets"]}}, PolicySettings)
    assert said.file is not None
    assert QUIETER.file is not None
    assert KEY.public != OTHER.public

"""Policies: one form, one key, bounds before reading, and a floor that no signature can go below."""

from __future__ import annotations

import json

import msgspec
import pytest

from evidence import policy, policy_settings
from evidence.errors import BadSignature, CodecError, EvidenceError, NotCanonical, TooLarge
from evidence.keys import PrivateKey
from evidence.policy import BUNDLE_LIMIT, CHAIN_LIMIT, POLICY_LIMIT, Policy
from evidence.policy_settings import Acts, File, Filtered, Ignore, PolicySettings
from tests.vectors.policy import FILE, NEXT_SEED, SEED, SIMPLE, made

VECTORS = json.loads(FILE.read_text())
SIGNER = PrivateKey(SEED)


def test_the_vectors_follow_from_their_seeds() -> None:
    assert made() == VECTORS


def test_a_golden_policy_verifies_and_is_what_was_signed() -> None:
    public = policy.parse_key(VECTORS["public"])
    assert policy.verified(VECTORS["envelope"].encode(), public) == SIMPLE
    assert policy.encode(SIMPLE).decode() == VECTORS["payload"]


@pytest.mark.parametrize("name", VECTORS["refused"])
def test_golden_forgeries_are_refused(name: str) -> None:
    with pytest.raises(EvidenceError):
        policy.verified(VECTORS["refused"][name].encode(), SIGNER.public)


def test_every_changed_byte_of_a_policy_is_refused() -> None:
    envelope = policy.sign(SIMPLE, SIGNER)
    for at in range(len(envelope)):
        changed = envelope[:at] + bytes([envelope[at] ^ 1]) + envelope[at + 1 :]
        with pytest.raises(EvidenceError):
            policy.verified(changed, SIGNER.public)


def test_another_key_is_told_apart() -> None:
    with pytest.raises(BadSignature):
        policy.verified(policy.sign(SIMPLE, PrivateKey(NEXT_SEED)), SIGNER.public)


def test_a_long_envelope_is_refused_by_its_length() -> None:
    with pytest.raises(TooLarge):
        policy.parse(b"{" * (POLICY_LIMIT + 1))
    decoys = tuple(f"/srv/{number:04}/{'x' * 100}" for number in range(200))
    large = PolicySettings(file=File(decoys=decoys))
    with pytest.raises(TooLarge):
        policy.sign(msgspec.structs.replace(SIMPLE, settings=large), SIGNER)


def test_bundles_are_bounded_and_ended() -> None:
    one = policy.sign(SIMPLE, SIGNER)
    assert policy.unbundle(policy.bundle((one, one))) == (one, one)
    with pytest.raises(TooLarge):
        policy.bundle((one,) * (CHAIN_LIMIT + 1))
    with pytest.raises(TooLarge):
        policy.unbundle(b"x" * (BUNDLE_LIMIT + 1))
    with pytest.raises(TooLarge):
        policy.unbundle(b"\n" * (CHAIN_LIMIT + 1))
    for raw in (b"", one, one + b"\n" + one):
        with pytest.raises(NotCanonical):
            policy.unbundle(raw)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"until": 1}, "until later"),
        ({"from_": 1}, "issued first"),
        ({"name": "Fleet"}, "name"),
        ({"version": 0}, "version"),
        ({"note": "a\x1bb"}, "note"),
        ({"selector": {f"k{number}": "v" for number in range(17)}}, "at most 16"),
    ],
)
def test_fields_are_bounded(change: dict[str, object], said: str) -> None:
    table = {**msgspec.to_builtins(SIMPLE), **{name.rstrip("_"): value for name, value in change.items()}}
    with pytest.raises(msgspec.ValidationError, match=said):
        msgspec.convert(table, Policy)


@pytest.mark.parametrize(
    "program",
    [
        *("/usr/bin/sudo", "/usr/sbin/sshd", "/bin/bash", "/usr/bin/python3.11", "/usr/bin/python*"),
        *("/usr/bin/*", "/usr/bin/s*", "/usr/bin/[s]udo", "/usr/bin/?udo", "/usr/bin/pytho?3.1?", "/**"),
        *("/proc/*/exe", "/proc/1/exe", "/*/bin/runner", "/opt/**/runner", "/opt/*/*/*/runner", "/run/x"),
        *("/opt/../usr/bin/x", "/usr/bin/rbash", "/usr/bin/awk", "/dev/fd/3", "/usr/lib/systemd/systemd"),
        *("/usr/bin/", "/usr/bin/..", "relative", "/usr/bin/curl", "/usr/bin/su\n"),
    ],
)
def test_a_program_that_must_be_told_cannot_be_left_out(program: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"programs": [program]}, Ignore)


@pytest.mark.parametrize("program", ["/opt/ci/bin/runner", "/opt/*/bin/runner", "/usr/lib/apt/methods/http*"])
def test_others_can(program: str) -> None:
    assert msgspec.convert({"programs": [program]}, Ignore).programs == (program,)


@pytest.mark.parametrize(
    "uids", [[[0, 5]], [[1, 65_535]], [[9, 3]], [[1, 600], [1000, 1400]], [[100_000, 200_000]]]
)
def test_ranges_of_uids_are_bounded(uids: list[list[int]]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"uids": uids}, Ignore)


@pytest.mark.parametrize(
    "table",
    [
        {"trees": ["/srv"]},
        {"trees": ["/etc", "/root/.ssh", "/var/spool/cron", "/srv/../x"]},
        {"sensitive": ["/etc/shadow"]},
        {"exclude": ["/etc"]},
        {"exclude": ["/etc/ssh/sshd_config.d"]},
        {"exclude": ["/etc/cron.d"]},
        {"exclude": ["/root"]},
        {"exclude": ["/usr"]},
        {"exclude": ["/usr/bin/sudo"]},
        {"exclude": ["/etc/./ssh"]},
        {"scan_bytes_per_s": 1},
        {"read_window": 3600},
    ],
)
def test_trees_have_a_floor(table: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(table, File)


def test_more_may_be_watched_than_the_floor() -> None:
    trees = ["/etc", "/root", "/var", "/srv"]
    assert msgspec.convert({"trees": trees, "exclude": ["/var/lib/docker"]}, File).trees == tuple(trees)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"sockets": ["/run/my.sock"]}, Acts)


def test_what_leaves_out_ends_and_what_is_watched_stays() -> None:
    file = File(trees=("/",), exclude=("/var/cache",), decoys=("/srv/salaries.xlsx",))
    full = PolicySettings(heartbeat=30.0, file=file, dns=Filtered(ignore=Ignore(uids=((1, 2),))))
    left = policy_settings.without_filters(full)
    assert policy_settings.names(left) == ("heartbeat", "file.trees", "file.decoys")
    assert "dns.ignore.uids" in policy_settings.names(full)


def test_keys_are_one_line() -> None:
    assert policy.parse_key(policy.key_line(SIGNER.public) + "\n") == SIGNER.public
    for line in ("", "vpk1.", "vdt1.aa", policy.key_line(SIGNER.public)[:-1]):
        with pytest.raises(CodecError):
            policy.parse_key(line)

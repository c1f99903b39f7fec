"""Whatever stands in the files a source reads: nothing raises, nothing grows, no secret value comes out."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.decode import inotify, rtnetlink, slow_mounts, sshd_config
from agent.decode.config_lines import config_lines
from agent.decode.passwd import login_accounts
from agent.state_diff import LINE, LISTED, differences
from agent.state_source import Found, Source, all_sources
from agent.state_sources import authorized_keys, shadow, sudoers

SOURCES = all_sources()
PIECES = (
    *(b"\n", b"\\\n", b" ", b"\t", b":", b"=", b'"', b"'", b"#", b"[", b"]", b",", b"\0", b"\xff", b"%h"),
    *(b"ssh-ed25519 ", b"AAAAC3NzaC1lZDI1NTE5AAAAIA==", b"command=", b"Package: x\n", b"Version: 1\n"),
    *(b"Status: install ok installed\n", b"[Service]\n", b"ExecStart=", b"Environment=A=b", b"root:x:0:0:"),
    *(b"# atrun uid=0 gid=0\n", b"cd / || {\n exit 1\n}\n", b"* * * * * ", b"AuthorizedKeysFile ", b"none"),
)
CONTENT = st.binary(max_size=300) | st.lists(
    st.sampled_from(PIECES) | st.binary(max_size=6), max_size=30
).map(b"".join)
PATHS = st.sampled_from(
    (
        *(
            "/etc/shadow",
            "/etc/gshadow",
            "/etc/cron.d/x",
            "/etc/cron.daily/x",
            "/etc/systemd/system/x.service",
        ),
        *("/var/spool/cron/atjobs/a0000101c4b2d8", "/var/spool/at/=fffffffffffff", "rpm", "x", ""),
    )
) | st.text(max_size=20)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: str(source.name))
@given(path=PATHS, before=CONTENT, after=CONTENT)
@settings(max_examples=100, deadline=None)
def test_no_content_raises_and_differences_are_bounded(
    source: Source, path: str, before: bytes, after: bytes
) -> None:
    had, has = source.parse(Found(path, before)), source.parse(Found(path, after))
    for one in source.diff(had, has):
        assert max(len(one.added), len(one.removed), len(one.changed)) <= LISTED
        assert all(len(line) <= 2 * LINE for line in (*one.added, *one.removed, *one.changed))
    assert list(source.diff(has, has)) == []


@given(old=CONTENT, new=CONTENT)
@settings(max_examples=100)
def test_of_passwords_only_names_and_kinds_of_fields_are_told(old: bytes, new: bytes) -> None:
    kinds = {"password", "locked", "no password", "last change", "minimum age", "maximum age", "warning"}
    kinds |= {"inactive", "expiry"}
    for one in differences(
        shadow.parse(Found("/etc/shadow", b"root:" + old.replace(b"\n", b"") + b":1::::::\n")),
        shadow.parse(Found("/etc/shadow", b"root:" + new.replace(b"\n", b"") + b":2::::::\n")),
    ):
        assert {*one.added, *one.removed, *one.changed} <= kinds


@given(CONTENT)
@settings(max_examples=200)
def test_no_line_before_a_key_hides_it(before: bytes) -> None:
    key = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA== evil"
    said = authorized_keys.parse(Found("k", before + b"\n" + key + b"\n"))["k"]
    assert any(line.endswith("comment evil") and line.startswith("SHA256:") for line in said)


@given(st.binary(max_size=40).filter(lambda raw: b"\n" not in raw))
@settings(max_examples=200)
def test_no_comment_hides_a_sudoers_entry(comment: bytes) -> None:
    said = sudoers.parse(Found("s", b"# " + comment + b"\nevil ALL=(ALL) NOPASSWD: ALL\n"))["s"]
    assert "evil ALL=(ALL) NOPASSWD: ALL" in said


def test_what_is_too_much_to_keep_still_tells_a_change() -> None:
    many = b"".join(b"* * * * * root /bin/%d\n" % number for number in range(5000))
    cron = next(source for source in SOURCES if source.name == "cron")
    had = cron.parse(Found("/etc/crontab", many))
    has = cron.parse(Found("/etc/crontab", many + b"* * * * * root /bin/evil\n"))
    (found,) = cron.diff(had, has)
    assert found.added[0].startswith("3001 further lines, sha256 ")


@given(CONTENT)
def test_no_configuration_raises(raw: bytes) -> None:
    list(config_lines(raw, continued=True))
    for pattern in sshd_config.key_files([raw]):
        sshd_config.key_path(pattern, name="alice", home="/home/alice", uid=None)
    login_accounts(raw)
    slow_mounts.slow_mounts(raw)


@given(st.binary(max_size=300))
def test_no_record_of_the_kernel_raises(raw: bytes) -> None:
    list(inotify.parse(raw))
    with contextlib.suppress(ValueError):
        rtnetlink.parse_address(raw)


def test_notices_and_addresses_are_read_as_the_kernel_writes_them() -> None:
    raw = struct.pack("=iIII", 3, inotify.CREATE, 0, 16) + b"a\xff".ljust(16, b"\0")
    assert list(inotify.parse(raw + raw[:20])) == [inotify.Notice(3, inotify.CREATE, b"a\xff")]
    body = struct.pack("=BBBBI", 2, 24, 0, 0, 5) + struct.pack("=HH", 8, 1) + bytes([10, 0, 0, 9])
    assert rtnetlink.parse_address(body) == rtnetlink.InterfaceAddress(5, "10.0.0.9/24")


def test_mounts_that_may_wait_are_found() -> None:
    lines = (
        b"36 35 98:0 / / rw,noatime master:1 - ext4 /dev/root rw\n"
        b"40 35 0:50 / /home rw shared:2 - nfs4 server:/home rw\n"
        b"41 35 0:51 / /srv/a\\040b rw - fuse.sshfs x rw\n"
    )
    assert slow_mounts.slow_mounts(lines) == (b"/home", b"/srv/a b")


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"AuthorizedKeysFile %h/.k/%u", "/home/alice/.k/alice"),
        (b"  authorizedkeysfile = /etc/keys/%U", "/etc/keys/1000"),
        (b"Match User bob\n AuthorizedKeysFile keys", "/home/alice/keys"),
        (b"AuthorizedKeysFile /x/%%", "/x/%"),
        (b"AuthorizedKeysFile /x/%f", None),
        (b"Port 22", "/home/alice/.ssh/authorized_keys"),
    ],
)
def test_where_sshd_looks_for_keys(raw: bytes, path: str | None) -> None:
    pattern = sshd_config.key_files([raw])[0]
    assert sshd_config.key_path(pattern, name="alice", home="/home/alice", uid=1000) == path

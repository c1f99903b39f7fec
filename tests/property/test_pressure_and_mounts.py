"""Pressure and mount tables: what the kernel writes is read, anything else raises nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.decode.mountinfo import container_path, parse_mountinfo
from agent.decode.pressure import load_percent, parse_pressure

HOST = parse_mountinfo(
    b"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    b"30 22 8:2 / /var/lib/my\\040data rw - ext4 /dev/sda2 rw\n"
)
INSIDE = parse_mountinfo(
    b"90 80 0:50 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/var/lib/docker/overlay2/abc/diff\n"
    b"91 90 8:1 /srv/volume /data rw - ext4 /dev/sda1 rw\n"
    b"92 90 8:2 /db /var/db rw - ext4 /dev/sda2 rw\n"
)


@given(st.binary(max_size=300))
def test_any_pressure_file_is_a_percent_or_none(raw: bytes) -> None:
    for text in (raw, b"some avg10=" + raw):
        found = parse_pressure(text)
        assert found is None or 0 <= found <= 100


def test_pressure_is_read() -> None:
    assert parse_pressure(b"some avg10=12.34 avg60=0.00 avg300=0.00 total=1\nfull avg10=1.00\n") == 12.34
    assert parse_pressure(b"some avg10=nan\n") is None
    assert [load_percent(load, 2) for load in (0.5, 2.0, 3.0, 9.0)] == [0, 0, 50, 100]


def test_paths_in_a_container() -> None:
    upper = b"/var/lib/docker/overlay2/abc/diff"
    assert container_path(upper + b"/etc/passwd", HOST, INSIDE) == b"/etc/passwd"
    assert container_path(b"/srv/volume/x", HOST, INSIDE) == b"/data/x"
    assert container_path(b"/var/lib/my data/db/t", HOST, INSIDE) == b"/var/db/t"
    assert container_path(b"/etc/passwd", HOST, INSIDE) is None


LINES = st.lists(st.sampled_from([*b"\n -/:\\01234567", *b"overlayupperdir=,"]), max_size=400).map(bytes)


@given(LINES | st.binary(max_size=200), st.binary(max_size=50))
def test_any_mount_table_raises_nothing(raw: bytes, path: bytes) -> None:
    mounts = parse_mountinfo(raw)
    container_path(path, mounts, INSIDE)
    container_path(path, HOST, mounts)

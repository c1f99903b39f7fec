"""Where the host has what a container sees, by both mount tables."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.decode.mountinfo import LINES, host_paths, parse_mountinfo
from agent.enrich import Surroundings, all_enrichments, enrich
from agent.kernel.host_paths import HostPaths
from agent.redaction import Redactor
from agent.settings import Redaction
from evidence.kinds.process import Ancestor, Exec

HOST = parse_mountinfo(
    b"24 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    b"30 24 8:2 / /srv rw,relatime shared:2 - xfs /dev/sdb1 rw\n"
)
LAYERS = "lowerdir=/l/3/fs:/l/2/fs:l/RELATIVE,upperdir=/up/x\\040y/fs,workdir=/up/work"
INSIDE = parse_mountinfo(
    f"700 600 0:50 / / rw,relatime - overlay overlay rw,{LAYERS}\n"
    "701 700 8:2 /data/web /var/www rw - xfs /dev/sdb1 rw\n"
    "702 700 0:60 / /tmp rw - tmpfs tmpfs rw\n".encode()
)
NSPAWN = parse_mountinfo(b"700 600 8:1 /var/lib/machines/web / rw - ext4 /dev/sda1 rw\n")
NEW_API = parse_mountinfo(b"1 1 0:50 / / rw - overlay overlay rw,lowerdir+=/a,lowerdir+=/b,upperdir=/u\n")


@pytest.mark.parametrize(
    ("path", "inside", "expected"),
    [
        (b"/usr/bin/id", INSIDE, (b"/up/x y/fs/usr/bin/id", b"/l/3/fs/usr/bin/id", b"/l/2/fs/usr/bin/id")),
        (b"/var/www/run.sh", INSIDE, (b"/srv/data/web/run.sh",)),
        (b"/tmp/x", INSIDE, ()),
        (b"/usr/bin/id", NSPAWN, (b"/var/lib/machines/web/usr/bin/id",)),
        (b"/usr/bin/id", NEW_API, (b"/u/usr/bin/id", b"/a/usr/bin/id", b"/b/usr/bin/id")),
        (b"relative", INSIDE, ()),
        (b"/usr/bin/id", (), ()),
    ],
)
def test_layers_volumes_and_folders(
    path: bytes, inside: tuple[object, ...], expected: tuple[bytes, ...]
) -> None:
    assert host_paths(path, HOST, inside) == expected  # type: ignore[arg-type]


@given(st.binary(max_size=400), st.binary(max_size=60))
def test_any_table_is_read_and_bounded(raw: bytes, path: bytes) -> None:
    mounts = parse_mountinfo(b"1 1 0:50 / / rw - overlay overlay rw,lowerdir=" + raw + b"\n" + raw)
    assert len(mounts) <= LINES
    assert len(host_paths(b"/" + path, HOST, mounts)) <= 128


class NoLineage:
    def ancestry(self, pid: int, start: int | None) -> tuple[Ancestor, ...]:  # noqa: ARG002 - contract
        return ()


@pytest.mark.parametrize(
    ("container", "found", "expected"),
    [("c1", "/up/bin/x", "/up/bin/x"), ("c1", "/bin/x", None), ("c1", None, None), (None, "/up/bin/x", None)],
)
def test_host_exe_stands_only_where_it_is_another(
    container: str | None, found: str | None, expected: str | None
) -> None:
    around = Surroundings(
        NoLineage(),
        Redactor(b"k" * 32, Redaction()),
        frozenset(),
        lambda _uid: None,
        lambda _pid, _exe: found,
    )
    done = enrich(Exec(pid=5, exe="/bin/x", container=container), all_enrichments(), around)
    assert isinstance(done, Exec)
    assert done.host_exe == expected


_CONTAINER = """
set -e
cd "$1"
mkdir lower upper work root
mkdir -p lower/bin lower/proc
cp "$2" lower/bin/below
mount -t tmpfs tmpfs upper
mkdir upper/files upper/work
mount -t overlay overlay -o lowerdir=$1/lower,upperdir=$1/upper/files,workdir=$1/upper/work root
echo inside
exec sleep 60
"""


@pytest.fixture
def overlay(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A process in a mount namespace of its own that has an overlay; yields its pid and the folder."""
    if os.geteuid() != 0:
        pytest.skip("needs root for a mount namespace")
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _CONTAINER, "sh"]
    process = subprocess.Popen([*command, str(tmp_path), "/bin/true"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"inside\n"
    yield process.pid, tmp_path
    process.kill()
    process.wait()


@pytest.mark.root
def test_a_real_overlay(overlay: tuple[int, Path]) -> None:
    pid, folder = overlay
    now = 0
    paths = HostPaths(lambda: now)
    assert paths.find(pid, f"{folder}/root/bin/below") == f"{folder}/lower/bin/below"
    assert paths.find(pid, f"{folder}/root/bin/nowhere") is None
    assert paths.find(os.getpid(), "/bin/true") is None, "our own namespace"
    assert paths.find(2**22 + 1, "/bin/true") is None, "a process that is gone"

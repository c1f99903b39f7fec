"""Containers on this kernel: processes in cgroups named as runtimes name them, seen by the bpf rung."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.enrich import Surroundings, all_enrichments, enrich
from agent.redaction import Redactor
from agent.sensors.process import SENSOR
from agent.settings import Redaction
from evidence.kinds.process import Ancestor, Exec
from tests.agent.feeds_at_work import Watched, opened, rung_of

pytestmark = pytest.mark.root

BPF, CONNECTOR = rung_of(SENSOR, "bpf"), rung_of(SENSOR, "connector")
MOUNTS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))
ID, INNER = "c0" * 32, "d1" * 32
POD = "5b1c4a4e-8a4d-4c1b-9f0e-3a6f2d7e8c90"
SLICE = f"kubepods-burstable-pod{POD.replace('-', '_')}.slice"
PLACES = [
    (f"docker/{ID}", (ID, "docker", None, None)),
    (f"system.slice/docker-{ID}.scope", (ID, "docker", None, None)),
    (f"system.slice/docker-{ID}.scope/system.slice/nginx.service", (ID, "docker", None, "nginx.service")),
    (
        f"kubepods.slice/kubepods-burstable.slice/{SLICE}/cri-containerd-{ID}.scope",
        (ID, "containerd", POD, None),
    ),
    (f"kubepods/besteffort/pod{POD}/{ID}", (ID, None, POD, None)),
    (f"kubepods/burstable/pod{POD}/crio-{ID}", (ID, "cri-o", POD, None)),
    (
        f"user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope/container",
        (ID, "podman", None, None),
    ),
    (f"docker/{ID}/docker/{INNER}", (INNER, "docker", None, None)),
    (
        "machine.slice/machine-web\\x2d1.scope/payload/system.slice/cron.service",
        ("web-1", "nspawn", None, "cron.service"),
    ),
    ("lxc.payload.web", ("web", "lxc", None, None)),
]
_ENTER = 'echo 0 > "$1/cgroup.procs" && exec /bin/true "$2"'


class NoLineage:
    def ancestry(self, pid: int, start: int | None) -> tuple[Ancestor, ...]:  # noqa: ARG002 - contract
        return ()


@pytest.fixture
def root() -> Iterator[Path]:
    """Yield a cgroup of our own, removed with all below it."""
    mount = next((one for one in MOUNTS if (one / "cgroup.procs").exists()), None)
    if mount is None:
        pytest.skip("no cgroup2 is mounted")
    made = mount / f"vedette-test-{secrets.token_hex(4)}"
    try:
        made.mkdir()
    except OSError as error:
        pytest.skip(f"{mount} cannot be written: {error}")
    yield made
    deadline = time.monotonic() + 10
    while made.exists() and time.monotonic() < deadline:
        for folder, _, _ in os.walk(made, topdown=False):
            with contextlib.suppress(OSError):  # its last process is just ending
                Path(folder).rmdir()


def run_in(cgroup: Path, mark: str) -> None:
    cgroup.mkdir(parents=True)
    subprocess.run(["/bin/sh", "-c", _ENTER, "sh", str(cgroup), mark], check=True)


def seen(watched: Watched, mark: str) -> Exec:
    """Return the exec with this mark, enriched as watch does."""
    body = watched.until(lambda one: isinstance(one, Exec) and one.argv == ("/bin/true", mark))
    around = Surroundings(NoLineage(), Redactor(b"k" * 32, Redaction()), frozenset(), lambda _uid: None)
    done = enrich(body, all_enrichments(), around)
    assert isinstance(done, Exec)
    return done


@pytest.mark.parametrize(("path", "expected"), PLACES, ids=lambda value: str(value)[:40])
def test_the_kernel_rung_tells_container_runtime_and_pod(
    path: str, expected: tuple[str | None, ...], root: Path, tmp_path: Path
) -> None:
    mark = secrets.token_hex(8)
    with opened(BPF, tmp_path) as watched:
        run_in(root / path, mark)
        done = seen(watched, mark)
    assert (done.container, done.container_runtime, done.pod, done.unit) == expected
    assert done.user is None, "a container has accounts of its own"


@pytest.mark.parametrize("unified", [None, "containerd.service"])
def test_a_container_of_cgroup_v1_is_told_where_v2_has_it_elsewhere(
    unified: str | None, root: Path, tmp_path: Path
) -> None:
    pids = Path("/sys/fs/cgroup/pids")
    if not (pids / "cgroup.procs").exists():
        pytest.skip("no cgroup v1 is mounted")
    mark, folder = secrets.token_hex(8), pids / root.name / "docker" / ID
    folder.mkdir(parents=True)
    enter = f'echo 0 > "{folder}/cgroup.procs" && '
    if unified is not None:
        (root / unified).mkdir()
        enter += f'echo 0 > "{root / unified}/cgroup.procs" && '
    try:
        with opened(BPF, tmp_path) as watched:
            subprocess.run(["/bin/sh", "-c", f"{enter} exec /bin/true {mark}"], check=True)
            done = seen(watched, mark)
    finally:
        for made in (folder, folder.parent, folder.parent.parent):
            until_gone(made)
    assert (done.container, done.container_runtime, done.unit) == (ID, "docker", None)


def until_gone(cgroup: Path) -> None:
    """Remove a cgroup; its last process may just be ending."""
    deadline = time.monotonic() + 10
    while cgroup.exists() and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            cgroup.rmdir()


def test_a_name_that_is_no_text_harms_nothing(root: Path, tmp_path: Path) -> None:
    mark = secrets.token_hex(8)
    with opened(BPF, tmp_path) as watched:
        run_in(root / os.fsdecode(b"caf\xe9.service"), mark)
        done = seen(watched, mark)
    assert done.cgroup is not None
    assert done.cgroup.encode().endswith(rb"/caf\xe9.service")


def test_nsenter_into_a_container_keeps_the_login_identity(root: Path, tmp_path: Path) -> None:
    mark = secrets.token_hex(8)
    group = root / f"docker/{ID}"
    group.mkdir(parents=True)
    inside = subprocess.Popen(["unshare", "--mount", "--uts", "--ipc", "sleep", "60"])
    script = (
        f'echo 4242 > /proc/self/loginuid && echo 0 > "{group}/cgroup.procs" && '
        f"exec nsenter --mount --uts --ipc --target {inside.pid} /bin/true {mark}"
    )
    try:
        with opened(BPF, tmp_path) as watched:
            if subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=False).returncode:
                pytest.skip("this kernel lets nobody set its login uid")
            done = seen(watched, mark)
    finally:
        inside.kill()
        inside.wait()
    assert done.auid == 4242
    assert done.session is not None
    assert (done.container, done.container_runtime) == (ID, "docker")

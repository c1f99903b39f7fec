"""The CPU quota that cgroups of this kernel set is the one watch stays below."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.agent_at_work import ROOT

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a cgroup is made"),
]

ASK = "from agent.kernel.cpu_quota import cpu_quota; print(cpu_quota())"
ENTER = 'echo 0 > "$1/cgroup.procs" && cd "$2" && exec "$3" -c "$4"'
FORMS = (
    (Path("/sys/fs/cgroup"), {"cpu.max": "100000 400000"}),
    (Path("/sys/fs/cgroup/cpu"), {"cpu.cfs_period_us": "400000", "cpu.cfs_quota_us": "100000"}),
)


def limited(folder: Path, limits: dict[str, str]) -> bool:
    """Make the folder a cgroup with limits; return whether they read back.

    Where v1 is mounted, what the others are mounted on is a plain folder that would keep any file.
    """
    if not (folder.parent / "cgroup.procs").exists():
        return False
    with contextlib.suppress(OSError):
        folder.mkdir()
        for name, value in limits.items():
            (folder / name).write_text(value)
        return all((folder / name).read_text().strip() == value for name, value in limits.items())
    return False


@pytest.fixture
def cgroup() -> Iterator[Path]:
    for root, limits in FORMS:
        folder = root / f"vedette-quota-{os.getpid()}"
        held = limited(folder, limits)
        try:
            if held:
                yield folder
                return
        finally:
            with contextlib.suppress(FileNotFoundError):
                folder.rmdir()
    pytest.skip("no cgroup here keeps a CPU quota")


def test_the_quota_of_the_own_cgroup_is_read_in_cores(cgroup: Path) -> None:
    (cgroup / "within").mkdir()
    try:
        words = ["/bin/sh", "-c", ENTER, "sh", str(cgroup / "within"), str(ROOT), sys.executable, ASK]
        assert float(subprocess.run(words, check=True, capture_output=True, text=True).stdout) == 0.25
    finally:
        (cgroup / "within").rmdir()

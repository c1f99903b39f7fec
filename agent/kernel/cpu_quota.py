"""How much CPU the cgroups of this process let it use: cpu.max of v2, cpu.cfs_quota_us of v1."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .cgroups import cgroup2_root

_OWN = Path("/proc/self/cgroup")
_V1 = Path("/sys/fs/cgroup")


def cpu_quota() -> float | None:
    """Return the least quota of this process's cgroups and those above, in cores; None where none is set."""
    return min(_quotas(), default=None)


def _quotas() -> Iterator[float]:
    with suppress(OSError):
        for line in _OWN.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            root = cgroup2_root() if not controllers else _V1 / controllers
            if root is None or (controllers and "cpu" not in controllers.split(",")):
                continue
            own = root / path.lstrip("/")
            for folder in (own, *own.parents):
                quota = _quota(folder)
                if quota is not None:
                    yield quota
                if folder == root:
                    break


def _quota(folder: Path) -> float | None:
    """Return the quota of one cgroup in cores; None where it sets none."""
    with suppress(OSError, ValueError):
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text()
            period = (folder / "cpu.cfs_period_us").read_text()
        cores = float(quota) / float(period)
        return cores if cores > 0 else None
    return None

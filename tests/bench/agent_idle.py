"""Memory and idle cost of a running agent: watch and ship under one supervisor, real sensors.

Prints JSON rows {"name", "value", "unit"}. What else runs on the host is seen and costs too;
so the idle figures are those of the quietest tenth of one-second windows, and the `mean_` ones those of all.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.agent.fake_collector import FakeCollector, running
from tests.bench import program
from tests.bench.proc_figures import comm, cpu_ns, pss, switches
from tests.system.agent_at_work import unpinned


def main() -> int:
    """Start an agent with an identity of its own, let it settle, measure it idle, stop it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=Path("/dev/stdout"), metavar="FILE")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--settle", type=float, default=120.0)
    parser.add_argument(
        "--blind",
        action="store_true",
        help="no process, connection or file sensor: the cost of all else on a host that is never quiet",
    )
    program.add_option(parser)
    options = parser.parse_args()
    with (
        program.chosen(options.package) as measured,
        tempfile.TemporaryDirectory(prefix="vedette-bench-") as folder,
        unpinned(Path(folder) / "state"),
        running(FakeCollector(), Path(folder)) as collector,
    ):
        os.chmod(folder, 0o711)  # noqa: S103, PTH101 - ship, another user, passes through
        config = configure(Path(folder), collector.ingest, collector.enrol, blind=options.blind)
        measured.enrol(config, collector.token.line())
        agent = measured.start(config)
        try:
            time.sleep(options.settle)
            rows = measure(agent.pids(), options.seconds)
        finally:
            agent.stop()
    options.json.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return 0


def configure(folder: Path, ingest: str, enrolment: str, *, blind: bool) -> Path:
    """Write settings for a state of its own."""
    config = folder / "agent.toml"
    config.write_text(
        f"state = '{folder}/state'\nruntime = '{folder}/run'\n"
        f"[collector]\ningest = '{ingest}'\nenrol = '{enrolment}'\n"
        + ("[process]\nrung = 'off'\n[connection]\nrung = 'off'\n[file]\nrung = 'off'\n" if blind else "")
    )
    return config


def measure(pids: list[int], seconds: float) -> list[dict[str, object]]:
    """Return memory now, and CPU and wake-ups over seconds, of all processes together."""
    windows = [window(pids) for _ in range(int(seconds))]
    cpu, woken = sorted(one[0] for one in windows), sorted(one[1] for one in windows)
    quiet = len(windows) // 10
    rows: list[dict[str, object]] = [
        {"name": f"{comm(pid)}_pss_mb", "value": round(pss(pid) / 1024, 1), "unit": "MB"} for pid in pids
    ]
    return [
        {"name": "agent_pss_mb", "value": round(sum(map(pss, pids)) / 1024, 1), "unit": "MB"},
        {"name": "idle_cpu_percent", "value": round(cpu[quiet], 3), "unit": "% of a core"},
        {"name": "idle_wakeups_per_s", "value": round(woken[quiet], 2), "unit": "1/s"},
        {"name": "mean_cpu_percent", "value": round(sum(cpu) / len(cpu), 3), "unit": "% of a core"},
        {"name": "mean_wakeups_per_s", "value": round(sum(woken) / len(woken), 2), "unit": "1/s"},
        *rows,
    ]


def window(pids: list[int]) -> tuple[float, float]:
    """Return the CPU in percent of a core, and the wake-ups, of one second."""
    began = time.monotonic()
    before = [(cpu_ns(pid), switches(pid)) for pid in pids]
    time.sleep(1.0)
    after = [(cpu_ns(pid), switches(pid)) for pid in pids]
    seconds = time.monotonic() - began
    cpu = sum(new[0] - old[0] for old, new in zip(before, after, strict=True))
    woken = sum(new[1] - old[1] for old, new in zip(before, after, strict=True))
    return cpu / 1e7 / seconds, woken / seconds


if __name__ == "__main__":
    sys.exit(main())

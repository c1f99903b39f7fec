"""What the agent's memory is made of, after each workload: JSON rows of when, process, part and MB of PSS.

Twice started, so that the second start finds a baseline of 100,000 files; each workload of `peers` twice, as
there: anon is heap and stacks, file what is mapped of programs and libraries (shared with whoever else maps
them), shmem rings of the kernel's programs. `--maps` tells the largest mappings by name as well. Root only.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.agent.fake_collector import FakeCollector, running
from tests.bench import program
from tests.bench.peers import build, fill, run
from tests.bench.proc_figures import comm, told
from tests.bench.program import Program
from tests.bench.sensors import Vedette

_PARTS = ("Pss", "Pss_Anon", "Pss_File", "Pss_Shmem")
_MAPPING = re.compile(r"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \d+ *(.*)$")
_REST = 4.0

Row = dict[str, object]


def main() -> int:
    """Measure, and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=Path("/dev/stdout"), metavar="FILE")
    parser.add_argument("--starts", type=int, default=2)
    parser.add_argument("--baseline", type=int, default=100_000, help="files in the agent's watched tree")
    parser.add_argument("--maps", type=int, default=0, metavar="N", help="the N largest mappings of each")
    program.add_option(parser)
    options = parser.parse_args()
    with (
        program.chosen(options.package) as measured,
        tempfile.TemporaryDirectory(prefix="vedette-memory-", dir="/var/tmp") as name,
        running(FakeCollector(), Path(name)) as collector,
        options.json.open("w") as out,
    ):
        Path(name).chmod(0o711)
        for row in _measure(Path(name), collector, measured, options):
            out.write(json.dumps(row) + "\n")
            out.flush()
    return 0


def _measure(
    folder: Path, collector: FakeCollector, measured: Program, options: argparse.Namespace
) -> Iterator[Row]:
    storm, watched, own = build(folder), folder / "watched", folder / "vedette"
    watched.mkdir()
    own.mkdir()
    fill(folder / "baseline", options.baseline)
    agent = Vedette(own, watched, collector, folder / "baseline", measured)
    for start in range(1, options.starts + 1):
        agent.start()
        try:
            yield from _look(agent.pids, f"start {start}", options.maps)
            for workload in agent.workloads:
                for _ in range(2):
                    run(storm, workload, watched)
                    yield from _look(agent.pids, f"start {start}, {workload}", options.maps)
                    time.sleep(_REST)
            yield from _look(agent.pids, f"start {start}, rest", options.maps)
        finally:
            agent.stop()


def _look(pids: list[int], when: str, largest: int) -> Iterator[Row]:
    total = 0.0
    for pid in pids:
        name, parts = comm(pid), rollup(told(Path(f"/proc/{pid}/smaps_rollup")))
        total += parts.get("Pss", 0) / 1024
        yield {"when": when, "process": name, **{part.lower(): _mb(parts.get(part, 0)) for part in _PARTS}}
        for mapping, size in mappings(told(Path(f"/proc/{pid}/smaps"))).most_common(largest):
            yield {"when": when, "process": name, "mapping": mapping, "pss": _mb(size)}
    yield {"when": when, "process": "all", "pss": round(total, 1)}


def rollup(text: str) -> dict[str, int]:
    """Return the KiB of each part (proc(5), smaps_rollup)."""
    found = (line.partition(":") for line in text.splitlines())
    return {part: int(rest.split()[0]) for part, _, rest in found if part in _PARTS}


def mappings(text: str) -> Counter[str]:
    """Return the KiB of PSS by what is mapped (proc(5), smaps); mappings of nothing are `anonymous`."""
    sizes: Counter[str] = Counter()
    name = ""
    for line in text.splitlines():
        if line.startswith("Pss:"):
            sizes[name] += int(line.split()[1])
        elif found := _MAPPING.match(line):
            name = Path(found[1]).name or "anonymous"
    return sizes


def _mb(kib: int) -> float:
    return round(kib / 1024, 2)


if __name__ == "__main__":
    sys.exit(main())

"""What watch's own code takes for an exec and its exit, with nothing else to do: µs of CPU, by step.

A storm's records are made from two that a kernel wrote (tests/golden) and go through decoding, the table of
processes, enrichment, redaction, encoding, the file of what is unsealed, and sealing. Of each step the best
of all rounds counts. The same work trains the bundled Python (docs/runtime.md).
"""

from __future__ import annotations

import argparse
import json
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from agent import clock, enrich
from agent.accounts import Accounts
from agent.decode import bpf_process
from agent.decode.proc_files import Snapshot
from agent.environment import EnvironmentNames
from agent.exe_hash import ExeHasher
from agent.governing import governor
from agent.governing.interactive import InteractiveSessions
from agent.governing.shedding import Shedding
from agent.identity_watch import IdentityWatch
from agent.intake import Intake, Tables
from agent.kernel.host_paths import HostPaths
from agent.own_processes import OwnProcesses
from agent.processes import ProcessTable
from agent.redaction import Redactor
from agent.sealing.lanes import LANES, Lanes
from agent.sealing.losses import LossBook
from agent.sealing.unsealed import Spooled, Unsealed
from agent.sensor import Observed
from agent.settings import Redaction, Settings
from agent.timeline import Timeline
from evidence import seal
from evidence.keys import PrivateKey
from evidence.statement import Head

GOLDEN = Path(__file__).parents[1] / "golden/kernel/records.json"
EXECS, BUNCH = 4000, 100
_OWN, _, _EXIT, _ = map(struct.Struct, bpf_process.LAYOUT.split())
_FIRST_PID = 100_000
_LIFE = 1_000_000


def main() -> int:
    """Replay, and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--package", type=Path, metavar="DEB", help="measure this package's agent")
    options = parser.parse_args()
    if options.package is not None:
        from tests.bench import program  # noqa: PLC0415 - a package's Python, which replays, has no tests

        with program.chosen(options.package) as measured:
            line = [*measured.python, "-P", str(Path(__file__)), "--rounds", str(options.rounds)]
            return subprocess.run(line, check=False).returncode
    best: dict[str, int] = {}
    for _ in range(options.rounds):
        for step, spent in replayed(records(EXECS)).items():
            best[step] = min(spent, best.get(step, spent))
    best["all"] = sum(best.values())
    for step, spent in best.items():
        print(json.dumps({"name": f"{step}_us", "value": round(spent / EXECS / 1000, 2), "unit": "µs"}))
    return 0


def records(execs: int) -> list[bytes]:
    """Return an exec and its exit, so many times, each with a pid, times and an argument of its own."""
    golden = json.loads(GOLDEN.read_text())
    begun, ended = (bytes.fromhex(golden[name]["record"]) for name in ("exec forked", "exit"))
    own, end = _OWN.unpack_from(begun), _EXIT.unpack(ended)
    made = []
    for number in range(execs):
        pid, at = _FIRST_PID + number, own[3] + number * 2 * _LIFE
        argv = b"/bin/true\0storm\0%d\0" % number
        head = _OWN.pack(*own[:2], pid, at, at - _LIFE, len(argv), 0, own[-1])
        made.append(head + begun[_OWN.size : own[1]] + argv)
        made.append(_EXIT.pack(end[0], 0, pid, at + _LIFE, at - _LIFE, *end[5:]))
    return made


def replayed(raws: list[bytes]) -> dict[str, int]:
    """Return the nanoseconds of CPU that each step took for all of raws."""
    with tempfile.TemporaryDirectory(prefix="vedette-replay-") as name:
        return _Replay(Path(name)).run(raws)


class _Replay:
    """The parts of watch between a ring and the spool, put together as watch does."""

    def __init__(self, folder: Path) -> None:
        settings = Settings()
        redactor = Redactor(b"k" * 32, Redaction())
        processes = ProcessTable(settings.process.table, _parent)
        sessions = InteractiveSessions(settings.batch.session_quota)
        none = dict.fromkeys(LANES, 0)
        self._most = settings.batch.max_events
        self._lanes = Lanes(settings.batch)
        self._unsealed = Unsealed(folder, Spooled("a", "b", none, none))
        self._decoder = bpf_process.Decoder(lambda _: "/system.slice/cron.service", lambda *_: "a" * 64)
        self._intake = Intake(
            self._lanes,
            LossBook(),
            Tables(processes, OwnProcesses({1}), sessions, IdentityWatch()),
            enrich.all_enrichments(),
            enrich.Surroundings(
                processes,
                redactor,
                EnvironmentNames(settings.process.environment),
                Accounts().name,
                HostPaths(time.monotonic_ns).find,
            ),
            hasher=ExeHasher(time.monotonic_ns),
            last_seq=0,
            publish=lambda _: None,
            shedding=Shedding(governor.Governor(100.0), sessions),
            remember=self._unsealed.add,
        )

    def run(self, raws: list[bytes]) -> dict[str, int]:
        spent = {"taken": 0, "kept": 0, "sealed": 0}
        timeline = Timeline(clock.read())
        for at in range(0, len(raws), BUNCH):
            began = _cpu()
            self._intake.take(self._observed(raws[at : at + BUNCH]), timeline, clock.read())
            taken = _cpu()
            self._unsealed.keep({"exec": at}, {}, None)
            kept = _cpu()
            self._seal(last=at + BUNCH >= len(raws))
            spent["taken"] += taken - began
            spent["kept"] += kept - taken
            spent["sealed"] += _cpu() - kept
        self._unsealed.close(done=True)
        return spent

    def _observed(self, raws: list[bytes]) -> Iterator[Observed]:
        parse = self._decoder.parse
        for raw in raws:
            mono, body, _, like = parse(raw)
            yield Observed(body, mono, None, None, like)

    def _seal(self, *, last: bool) -> None:
        place = seal.Place("0" * 32, 1, "bulk", Head(0, "0" * 64), Head(0, "0" * 64))
        circumstances = seal.Circumstances(boot="0" * 32, time=1, mono=1, version="1")
        while len(self._lanes.bulk) >= self._most or (last and len(self._lanes.bulk)):
            batch = self._lanes.bulk.take()
            seal.seal_lines(batch, place, circumstances, PrivateKey(b"s" * 32))
            self._unsealed.settle(self._lanes.oldest())


def _parent(pid: int) -> Snapshot | None:
    """Return who forked the storm; none of its own processes is looked up."""
    if pid >= _FIRST_PID:
        return None
    shell, no = ("/bin/sh",), None
    return Snapshot(
        pid,
        pid,
        0,
        no,
        no,
        "/bin/dash",
        "/",
        shell,
        8,
        0,
        0,
        0,
        no,
        no,
        "/system.slice/cron.service",
        {},
        (),
        (),
    )


def _cpu() -> int:
    return time.clock_gettime_ns(time.CLOCK_THREAD_CPUTIME_ID)


if __name__ == "__main__":
    sys.exit(main())

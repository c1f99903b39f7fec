"""Live events and the status file: bounded, private, readable by people and machines."""

from __future__ import annotations

import json
import os
import select
import socket
import threading
import time
from pathlib import Path

import msgspec
import pytest

from agent import cli
from agent.commands.tail import render
from agent.errors import AgentError
from agent.governing.governor import OVER_BUDGET
from agent.governing.shedding import SUGGESTION
from agent.reporting import status
from agent.reporting.status import LaneStatus, SensorStatus, Status
from agent.reporting.tail_server import CLIENTS, FILE, TailServer
from agent.sealing.sealer import SpoolState
from evidence.codec import encode_line
from evidence.event import Event, stamp
from evidence.kind import Body
from evidence.kinds.agent import SensorHealth
from evidence.kinds.process import Exec


def event(seq: int, text: str = "x") -> Event[Body]:
    return stamp(Exec(pid=seq, argv=("echo", text)), seq=seq, time=seq * 10**9, mono=seq)


def follow(folder: Path) -> socket.socket:
    reader = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reader.connect(str(folder / FILE))
    reader.settimeout(10)
    return reader


def config(folder: Path) -> str:
    path = folder / "agent.toml"
    path.write_text(f"state = '{folder}/state'\nruntime = '{folder}'\n")
    return str(path)


def test_a_reader_gets_each_event_as_one_packet(tmp_path: Path) -> None:
    server = TailServer(tmp_path)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    server.publish(encode_line(event(1)))
    with follow(tmp_path) as reader:
        server.accept()
        server.publish(encode_line(event(2)))
        assert json.loads(reader.recv(1 << 20))["seq"] == 2
    server.publish(encode_line(event(3)))
    server.close()
    assert not (tmp_path / FILE).exists()


def test_a_slow_reader_misses_events_and_is_told_how_many(tmp_path: Path) -> None:
    server = TailServer(tmp_path)
    with follow(tmp_path) as reader:
        server.accept()
        sent = 5000
        for seq in range(1, sent + 1):
            server.publish(encode_line(event(seq, "y" * 2000)))
        got: list[int] = []
        reader.settimeout(0.2)
        while True:
            try:
                got.append(json.loads(reader.recv(1 << 20))["seq"])
            except TimeoutError:
                break
        assert 0 < len(got) < sent
        server.publish(encode_line(event(sent + 1)))
        assert json.loads(reader.recv(1 << 20)) == {"missed": sent - len(got)}
        assert json.loads(reader.recv(1 << 20))["seq"] == sent + 1
    server.close()


def test_readers_are_bounded(tmp_path: Path) -> None:
    server = TailServer(tmp_path)
    readers = []
    for _ in range(CLIENTS + 1):
        readers.append(follow(tmp_path))
        server.accept()
    assert readers[-1].recv(10) == b""
    for reader in readers:
        reader.close()
    server.close()


def test_tail_filters_by_kind_and_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = TailServer(tmp_path)
    ended = threading.Event()

    def serve() -> None:
        select.select([server.fileno()], [], [], 30)
        server.accept()
        while not ended.wait(0.01):
            server.publish(encode_line(event(1)))

    threading.Thread(target=serve, daemon=True).start()
    arguments = ["tail", "--kind", "process.*", "--count", "2", "--config", config(tmp_path), "--json"]
    assert cli.main(arguments) == 0
    ended.set()
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["body"]["kind"] for line in lines] == ["process.exec"] * 2


def test_no_event_writes_to_the_terminal() -> None:
    hostile = {"time": 0, "body": {"kind": "process.exec", "argv": ["\x1b]0;owned\x07", "a\nb"]}}
    line = render(hostile)
    assert line.isprintable()
    assert r"\x1b" in line


def test_tail_without_watch_says_how_to_start_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tail", "--config", config(tmp_path)]) == 2
    assert "systemctl start" in capsys.readouterr().err


def report(*, degraded: bool = False, problem: str | None = None, pid: int | None = None) -> Status:
    tried = (SensorHealth(rung="best", works=False, reason="no BTF", fix="use a newer kernel"),)
    return Status(
        time=time.time_ns(),
        pid=pid or os.getpid(),
        version="0.1.0",
        agent="ab" * 16,
        host="h",
        started=1,
        events=5,
        shed=0,
        own=0,
        sensors=(SensorStatus("process", "next", degraded, tried if degraded else ()),),
        lanes={"priority": LaneStatus(0, 0, 7)},
        problem=problem,
    )


def test_a_healthy_host_is_fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status.write(tmp_path, report())
    assert cli.main(["status", "--config", config(tmp_path)]) == 0
    assert "fine" in capsys.readouterr().out


def test_a_restore_of_the_collector_is_named_and_no_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spool = SpoolState(0, 0, {}, None)
    status.write(tmp_path, msgspec.structs.replace(report(), spool=spool))
    assert cli.main(["status", "--config", config(tmp_path)]) == 0
    assert "restored" not in capsys.readouterr().out
    spool = msgspec.structs.replace(spool, restored=86_400 * 10**9)
    status.write(tmp_path, msgspec.structs.replace(report(), spool=spool))
    assert cli.main(["status", "--config", config(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "the collector was restored from a backup, heard at 1970-01-02T00:00:00Z" in said


def test_a_degraded_sensor_is_named_with_reason_and_fix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status.write(tmp_path, report(degraded=True))
    assert cli.main(["status", "--config", config(tmp_path), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["degraded"]
    assert answer["problems"] == ["process: not by best: no BTF (use a newer kernel)"]
    assert answer["watch"]["lanes"]["priority"]["seq"] == 7


def test_what_is_shed_is_named_with_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status.write(tmp_path, msgspec.structs.replace(report(), shedding=OVER_BUDGET))
    assert cli.main(["status", "--config", config(tmp_path), "--json"]) == 1
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert problem == f"bulk events are shed: {OVER_BUDGET}; {SUGGESTION}"


def test_each_filter_is_named_with_what_it_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sensor = SensorStatus(
        "process", "bpf", degraded=False, filtered={"uid 5-9": 0, "/x": 12}, refused_filters=("/y: why",)
    )
    status.write(tmp_path, msgspec.structs.replace(report(), sensors=(sensor,)))
    assert cli.main(["status", "--config", config(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "process leaves out uid 5-9: 0 so far" in said
    assert "process leaves out /x: 12 so far" in said
    assert "process tells, though its settings ignore it: /y: why" in said


def test_a_rung_that_fails_for_many_is_named_once_and_a_blind_sensor_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = report(degraded=True).sensors[0].tried
    names = ("mount", "ptrace")
    degraded = [SensorStatus(name, "next", degraded=True, tried=tried) for name in names]
    blind = SensorStatus("unix", None, degraded=True, problem="the feed ended")
    status.write(tmp_path, msgspec.structs.replace(report(), sensors=(*degraded, blind)))
    assert cli.main(["status", "--config", config(tmp_path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["problems"] == [
        "unix: sees nothing; the feed ended",
        "mount, ptrace: not by best: no BTF (use a newer kernel)",
    ]


def test_a_sensor_with_nothing_to_see_is_no_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = (SensorHealth(rung="none", works=False, reason="no modules"),)
    absent = SensorStatus("module", None, degraded=False, tried=tried)
    found = msgspec.structs.replace(report(), sensors=(*report().sensors, absent))
    status.write(tmp_path, found)
    assert (found.degraded, absent.applies) == (False, False)
    assert cli.main(["status", "--config", config(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "not applicable" in out
    assert "fine" in out


def test_a_spool_that_takes_nothing_and_a_watch_that_ended_are_degraded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status.write(tmp_path, report(problem="the disk is full", pid=(1 << 22) + 1))
    assert cli.main(["status", "--config", config(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "the disk is full" in out
    assert "has ended" in out


def test_without_identity_status_is_not_enrolled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "--config", config(tmp_path)]) == 3
    assert "vedette-agent enroll" in capsys.readouterr().err


def test_a_damaged_status_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / status.FILE).write_bytes(b"\xff{")
    with pytest.raises(AgentError, match="restart the agent"):
        status.read(tmp_path)

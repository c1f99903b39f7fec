from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from collector import ca, tls
from collector.enrolment.nonces import LIFETIME, Nonces
from collector.enrolment.throttle import Throttle
from collector.notify import notify

SECOND = 1_000_000_000
ROOT = Path(__file__).parents[2]
PROGRAM = """
import os, sys, time
from pathlib import Path
from collector.supervisor import Part, Supervisor
folder = Path(sys.argv[1])

def good(ready):
    (folder / "good").open("a").write(f"{os.getpid()}\\n")
    ready()
    time.sleep(600)

def bad(ready):
    raise OSError("no such luck")

if "thread" in sys.argv:  # as a library starts them; the main one takes no signal of the process then
    import signal, threading
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
parts = [Part("good", good)] + ([Part("bad", bad)] if "bad" in sys.argv else [])
sys.exit(Supervisor(parts, lambda pids, complete: (folder / "ready").write_text(str(complete))).run())
"""


def start(folder: Path, *extra: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), *extra], cwd=ROOT, stderr=subprocess.PIPE
    )


def wait_for_starts(folder: Path, count: int) -> list[int]:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with contextlib.suppress(FileNotFoundError):
            pids = [int(line) for line in (folder / "good").read_text().splitlines()]
            if len(pids) >= count:
                return pids
        time.sleep(0.02)
    raise AssertionError(f"the part did not start {count} times")


def test_a_part_that_dies_starts_again_until_sigterm(tmp_path: Path) -> None:
    supervisor = start(tmp_path)
    (first,) = wait_for_starts(tmp_path, 1)
    os.kill(first, signal.SIGKILL)
    second = wait_for_starts(tmp_path, 2)[1]
    supervisor.terminate()
    _, said = supervisor.communicate(timeout=60)
    assert supervisor.returncode == 0
    assert b"killed by signal 9" in said
    assert not Path(f"/proc/{second}").exists()


def test_a_stop_is_heard_whichever_thread_takes_it(tmp_path: Path) -> None:
    supervisor = start(tmp_path, "thread")
    (part,) = wait_for_starts(tmp_path, 1)
    supervisor.terminate()
    supervisor.communicate(timeout=60)
    assert supervisor.returncode == 0
    assert not Path(f"/proc/{part}").exists()


def test_a_part_that_cannot_start_ends_all(tmp_path: Path) -> None:
    supervisor = start(tmp_path, "bad")
    _, said = supervisor.communicate(timeout=60)
    assert supervisor.returncode == 2
    assert b"bad: no such luck" in said
    assert b"Traceback" not in said
    assert not any(Path(f"/proc/{pid}").exists() for pid in wait_for_starts(tmp_path, 1))


def test_parts_end_with_a_killed_supervisor(tmp_path: Path) -> None:
    supervisor = start(tmp_path)
    (pid,) = wait_for_starts(tmp_path, 1)
    supervisor.kill()
    supervisor.communicate(timeout=60)
    end = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}").exists()


def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        notify("READY=1")
        assert systemd.recv(64) == b"READY=1"
    notify("READY=1")
    monkeypatch.delenv("NOTIFY_SOCKET")
    notify("READY=1")


def test_a_changed_certificate_is_taken_up_and_a_broken_one_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = ca.generate(time.time_ns(), 3650)
    file = tmp_path / "server.pem"

    def replace(raw: bytes) -> None:
        fresh = tmp_path / "fresh"
        fresh.write_bytes(raw)
        fresh.replace(file)

    async def watch() -> None:
        context = tls.server_context(file)
        task = asyncio.create_task(tls.keep_fresh(context, file, 0.01))
        await asyncio.sleep(0)
        for raw, message in ((b"broken", "is used on"), (issue(), "took up")):
            replace(raw)
            while message not in caplog.text:  # noqa: ASYNC110 - a log has no event
                await asyncio.sleep(0.01)
        task.cancel()

    def issue() -> bytes:
        return authority.issue_server(("localhost",), time.time_ns(), 90)

    caplog.set_level("INFO")
    replace(issue())
    asyncio.run(watch())


def test_a_nonce_of_another_process_is_worth_nothing() -> None:
    with pytest.raises(Exception, match="not issued"):
        Nonces(b"b" * 32).use(Nonces(b"a" * 32).issue(1), 1)


def test_used_nonces_are_forgotten_once_they_are_too_old_anyway() -> None:
    nonces = Nonces(b"a" * 32)
    for now in range(0, 10 * LIFETIME, LIFETIME // 2):
        nonces.use(nonces.issue(now), now)
    assert len(nonces._used) <= 3  # noqa: SLF001 - the bound is the point


def test_a_throttle_forgets_the_longest_unseen_and_permits_the_rate() -> None:
    throttle = Throttle(per_minute=60, burst=2, keys=2)
    assert [throttle.wait("a", 0) for _ in range(3)] == [0.0, 0.0, pytest.approx(1.0)]
    assert throttle.wait("a", SECOND) == 0.0
    assert throttle.wait("a", SECOND) > 0
    throttle.wait("b", SECOND)
    throttle.wait("c", SECOND)
    assert throttle.wait("a", SECOND) == 0.0

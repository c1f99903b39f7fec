"""The file sensor beside the process sensor: the person is named for a process that is gone by then."""

from __future__ import annotations

import os
import select
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agent.kernel.procfs import read_process
from agent.ladder import climb
from agent.processes import ProcessTable
from agent.sensor import Context, Feed, Moment
from agent.sensors import file, process
from agent.settings import File, Settings
from evidence.kind import Body
from evidence.kinds.file import Change, Read
from range.test_host import PrivateHost

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root for a mount namespace, sshd and fanotify"),
]


def clock() -> Moment:
    return Moment(time.time_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME))


def wait(feed: Feed) -> None:
    select.select(feed.filenos(), [], [], min(feed.period or 0.1, 0.1))


def test_the_person_behind_a_write_and_a_key_read_is_named(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in ("id_other", "notes"):
        (tree / name).write_text("x\n")
        (tree / name).chmod(0o666)
    (tmp_path / "state").mkdir()
    table = ProcessTable(Settings().process.table, read_process)
    settings = File(trees=(str(tree),), sensitive=(str(tree / "id_*"),), read_window=0.3, scan_pressure=100.0)
    context = Context(Settings(file=settings), tmp_path / "state", table, clock)
    climbed = climb(file.SENSOR, context, wait)
    execs, files = climb(process.SENSOR, context, wait).feed, climbed.feed
    assert execs is not None
    assert files is not None
    assert climbed.rung == "fanotify", climbed.tried
    while (files.period or 0) < 1:  # until the baseline is learned
        wait(files)
        assert list(files.read(clock())) == []
    with PrivateHost(tmp_path / "host") as host, ThreadPoolExecutor(1) as pool:
        key = host.add_user("vdcarol", "correct horse")
        script = f"cat {tree}/id_other && cp /proc/self/sessionid {tree}/notes && cat /proc/self/sessionid"
        acting = pool.submit(host.ssh, "vdcarol", script, key=key)
        bodies: list[Body] = []
        ended: float | None = None
        while not {Read, Change} <= {type(body) for body in bodies}:
            if acting.done():
                assert acting.result().returncode == 0, acting.result().stderr
                ended = ended or time.monotonic()
                assert time.monotonic() < ended + 60, (bodies, list(files.losses(clock())))
            for seen in execs.read(clock()):
                table.observe(seen.body, seen.mono or clock().mono)
            bodies += [seen.body for seen in files.read(clock())]
            time.sleep(0.02)
        uid = int(host.run("id", "-u", "vdcarol"))
        done = acting.result()
        assert done.returncode == 0, done.stderr
        session = int(done.stdout.split()[-1])
    files.close()
    execs.close()
    for kind, exe in ((Read, "/usr/bin/cat"), (Change, "/usr/bin/cp")):
        (found,) = [body for body in bodies if isinstance(body, kind)]
        actor = getattr(found, "actor", None)
        assert actor is not None
        assert (actor.exe, actor.auid, actor.session) == (exe, uid, session)

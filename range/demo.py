"""`make demo`: a real incident as it happens, with proof; on a fleet of test hosts, or on this host alone."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from . import demo_host, demo_join, marked
from .demo_fleet import TOO_LITTLE
from .demo_words import FILES, DemoFailed, again, options, say
from .hosts import ground
from .site import CommandFailed


def main() -> int:
    """Run the demo as the command line says; 0 only if it showed what it must."""
    asked = options()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # also where a shell made us ignore one
        signal.signal(number, _interrupted)
    try:
        if asked.clean:
            demo_host.clean()
            return 0
        if asked.join:
            demo_join.enter()
        return _demo(asked)
    except KeyboardInterrupt:
        say("\nStopped; everything the demo made is removed.")
        return 0 if not asked.once else 1
    except (DemoFailed, CommandFailed, RuntimeError) as error:
        sys.stderr.write(f"The demo failed: {error}\n")
        return 1


def _interrupted(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _demo(asked: argparse.Namespace) -> int:
    why = ground.refusal() or _hidden(asked)
    if why is None:
        code = _on_fleet(asked)
        if code != TOO_LITTLE:
            return code
        why = "the agents on test hosts cannot watch connections by eBPF"
    say(f"The small demo, on this host alone: {why}.")
    demo_host.play(asked)
    return 0


def _hidden(asked: argparse.Namespace) -> str | None:
    """Return why the fleet cannot write the files asked for: its own tmpfs lies over one of them."""
    paths = [getattr(asked, name) for name in FILES]
    over = [path for path in paths if path is not None and ground.FOLDER in path.resolve().parents]
    return f"the test hosts would lie over {over[0]}" if over else None


def _on_fleet(asked: argparse.Namespace) -> int:
    """Play on a ground of its own, which nothing outlives; return its exit code.

    It is in a session of its own, so that Ctrl-C reaches this process alone, which ends all of it.
    """
    command = ground.command("range.demo_fleet", *again(asked))
    # who types `make demo` means this host, for this run
    around = os.environ | {marked.VARIABLE: marked.YES}
    with subprocess.Popen(command, env=around, stdin=subprocess.DEVNULL, start_new_session=True) as playing:
        try:
            return playing.wait()
        finally:
            if playing.returncode is None:
                _end(playing)


def _end(playing: subprocess.Popen[bytes]) -> None:
    """Kill a ground's first process, and return when the kernel has ended all the others."""
    children = Path(f"/proc/{playing.pid}/task/{playing.pid}/children").read_text().split()
    for pid in children or [str(playing.pid)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    playing.wait()


if __name__ == "__main__":
    sys.exit(main())

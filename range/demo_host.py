"""The small demo, on this host alone: from its sensors to the alert, with proof; a benign twin is silent."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import tamper
from .demo_words import DemoFailed, say
from .drill import INSIDER, TWIN, Expected, LocalDrill, LoginDrill, make_drill
from .outside import Outside, Server, outside, remove_namespace
from .site import Site, running_site

ROOT = Path(__file__).resolve().parents[1]
_MARKER = ROOT / ".demo"
_RULE = "upload-new-destination"
_ALERT_SECONDS = 5.0
_GRACE_SECONDS = 30.0
"""How long to wait for a late alert, so that it can be told how late it was."""
_TWIN_SECONDS = 4.0


def play(options: argparse.Namespace) -> None:
    """Start the site, play the incident and its twin, and show what is found.

    Raises:
        DemoFailed, CommandFailed, RuntimeError: it did not show what it must.
    """
    with _folder() as folder:
        _demo(folder, options)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """Make the demo's folder, where the agent's unprivileged process can reach it; remove it at the end."""
    clean()
    folder = Path(tempfile.mkdtemp(prefix="vedette-demo-"))
    folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
    _MARKER.mkdir(exist_ok=True)
    (_MARKER / "folder").write_text(str(folder))
    (_MARKER / "pid").write_text(str(os.getpid()))
    try:
        yield folder
    finally:
        _remove(folder)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(_MARKER, ignore_errors=True)


def clean() -> None:
    """End what an interrupted demo left running, and remove its network namespace and folder."""
    with contextlib.suppress(FileNotFoundError):
        folder = Path((_MARKER / "folder").read_text())
        _kill_processes_of(folder)
        try:
            Site(folder).unpin()
        finally:
            _remove(folder)
    if os.geteuid() == 0:
        remove_namespace()


def _kill_processes_of(folder: Path) -> None:
    """Kill the processes whose command line names the demo's own folder, which nothing else does."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if str(folder).encode() in (entry / "cmdline").read_bytes():
                    os.kill(int(entry.name), signal.SIGKILL)


def _demo(folder: Path, options: argparse.Namespace) -> None:
    say(
        "Vedette starts a collector and an agent on this host; the agent enrols and watches the real machine."
    )
    for name in ("host", "outside"):
        (folder / name).mkdir()
    (folder / "host").chmod(0o755)
    with outside(folder / "outside") as servers, make_drill(folder / "host") as drill:
        known = (f"{servers.backup.address}/32", *(() if servers.loopback else ("127.0.0.0/8", "::1/128")))
        with running_site(folder, drill.watched, known) as site:
            _tell_health(site)
            _incident(site, drill, servers, options)
            if not options.once:
                _tail(site)


def _tell_health(site: Site) -> None:
    """Name the rung of each sensor, and those that would see more on another host."""
    sensors = site.status()["watch"]["sensors"]
    seen = [one for one in sensors if one["rung"] is not None or one["degraded"]]
    for title, degraded in (("seen by", False), ("seen by a lower rung", True)):
        named = [f"{one['name']} ({one['rung'] or 'none'})" for one in seen if one["degraded"] == degraded]
        if named:
            say(f"  {title}: {', '.join(named)}")


def _incident(
    site: Site, drill: LoginDrill | LocalDrill, servers: Outside, options: argparse.Namespace
) -> None:
    say(f"A benign twin: {drill.twin} sends an archive to the known backup host {servers.backup.address}.")
    began = time.time_ns()
    drill.take(TWIN, servers.backup)
    say(f"An insider: {drill.describes}, archives a folder, uploads it to {servers.stranger.address}.")
    drill.take(INSIDER, servers.stranger)
    ended = time.monotonic()
    alert = _wait_for_alert(site, servers.stranger.address, ended)
    late = time.monotonic() - ended
    say(f"\n{site.vedette('show', alert['id'])}")
    _check(alert, drill.expected(servers.stranger), late)
    _check_bytes(site, alert, servers.stranger, ended)
    bundle, receipts = _evidence(site, alert, options)
    say(f"{late:.1f} s after the upload. {site.vedette('verify', str(bundle), '--trust', str(receipts))}")
    _check_twin(site, servers.backup.address, began)
    say(f"The twin sent {servers.backup.bytes_received()} bytes to {servers.backup.address}: no alert.")
    if options.export:
        site.vedette("export", "--format", "ocsf", "--out", str(options.export.resolve()))
        say(f"Events of this run, as OCSF: {options.export}")
    if options.tamper:
        tamper.play(site, alert, receipts, say)


def _wait_for_alert(site: Site, destination: str, ended: float) -> dict[str, Any]:
    while time.monotonic() < ended + _GRACE_SECONDS:
        for alert in site.alerts():
            if alert["rule"] == _RULE and alert.get("destination") == destination:
                return alert
        time.sleep(0.1)
    raise DemoFailed(f"no alert named {destination} within {_GRACE_SECONDS:.0f} s; {_why(site)}")


def _why(site: Site) -> str:
    return f"the agent says: {json.dumps(site.status())[:1500]}"


def _check(alert: dict[str, Any], expected: Expected, late: float) -> None:
    for what, got, wanted in (
        ("person", alert.get("person"), expected.person),
        ("how", alert.get("how"), expected.how),
        ("source", alert.get("person_source"), expected.source),
        ("destination", alert.get("destination"), expected.destination),
    ):
        if got != wanted:
            raise DemoFailed(f"the alert's {what} is {got!r}, expected {wanted!r}")
    if late > _ALERT_SECONDS:
        raise DemoFailed(f"the alert came {late:.1f} s after the upload, not within {_ALERT_SECONDS:.0f} s")


def _check_bytes(site: Site, alert: dict[str, Any], stranger: Server, ended: float) -> None:
    """Raise unless every byte is recorded; an alert may be told while an upload goes on."""
    received, told = stranger.bytes_received(), alert["bytes_out"]
    if not 0 < told <= received:
        raise DemoFailed(f"the alert's bytes out is {told}, and {received} were received")
    ended_there = f"kind = 'connection.close' AND direction = 'out' AND dst_ip = '{stranger.address}'"
    query = f"SELECT sum(bytes_out) AS sent FROM events WHERE {ended_there}"  # noqa: S608 - our own address
    sent = None
    while sent != received:
        if time.monotonic() > ended + _GRACE_SECONDS:
            raise DemoFailed(f"{sent} bytes are recorded as sent, and {received} were received")
        time.sleep(0.1)
        sent = json.loads(site.vedette("sql", query, "--json"))["sent"]
    if told < received:
        say(f"It was told while the upload went on: {told} bytes then, {received} in the end, all recorded.")


def _check_twin(site: Site, backup: str, began: int) -> None:
    """Give the twin's events their time to arrive, then look for any alert about them."""
    time.sleep(max(0.0, _TWIN_SECONDS - (time.time_ns() - began) / 1e9))
    wrong = [a for a in site.alerts() if a.get("destination") == backup or a.get("person") == TWIN]
    if wrong:
        raise DemoFailed(f"the benign twin raised an alert: {wrong[0]['summary']}")


def _evidence(site: Site, alert: dict[str, Any], options: argparse.Namespace) -> tuple[Path, Path]:
    bundle = (options.bundle or site.folder / "incident.bundle").resolve()
    receipts = (options.receipts or site.folder / "receipts.jsonl").resolve()
    site.vedette("export", "--format", "bundle", "--alert", alert["id"], "--out", str(bundle))
    site.agent("spool", "flush")
    site.agent("receipts", "export", "--out", str(receipts))
    return bundle, receipts


def _tail(site: Site) -> None:
    say("\nNow live: alerts as they arise, until Ctrl-C. Try something in another terminal.")
    site.follow("vedette", "alerts", "--follow")

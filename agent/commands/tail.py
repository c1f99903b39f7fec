"""`tail`: follow events as they happen; a slow terminal misses some and is told, watch never waits."""

from __future__ import annotations

import argparse
import fnmatch
import socket
import time
from pathlib import Path
from typing import Any

import msgspec

from evidence.codec import LINE_LIMIT

from ..command import FINE, Command, Invocation
from ..errors import AgentError
from ..reporting.tail_server import FILE

_SECOND = 1_000_000_000
_QUIET = frozenset({"kind", "escaped", "ancestry", "argv", "actor", "environment"})
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--kind",
        action="append",
        metavar="PATTERN",
        help="only kinds like this, such as 'process.*'; repeatable",
    )
    parser.add_argument("--count", type=int, metavar="N", help="stop after N events")


def _run(call: Invocation) -> int:
    patterns = call.options.kind or ["*"]
    left = call.options.count
    with _connect(call.settings().runtime / FILE) as sock:
        while (left is None or left > 0) and (packet := sock.recv(LINE_LIMIT + 1)):
            event = msgspec.json.decode(packet)
            if "missed" in event:
                call.console.warn(f"{event['missed']} events were too fast for this terminal")
            elif any(fnmatch.fnmatchcase(event["body"]["kind"], pattern) for pattern in patterns):
                left = None if left is None else left - 1
                if call.console.as_json:
                    call.console.value(event)
                else:
                    call.console.line(render(event))
    return FINE


def _connect(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        sock.connect(str(path))
    except OSError as error:
        sock.close()
        hint = (
            "run as root" if isinstance(error, PermissionError) else "start it: systemctl start vedette-watch"
        )
        raise AgentError(f"{path}: {error.strerror}, watch cannot be followed; {hint}") from error
    return sock


def render(event: dict[str, Any]) -> str:
    """Return one line for a person; control characters are escaped, so no event drives the terminal."""
    body = event["body"]
    at = time.strftime("%H:%M:%S", time.gmtime(event["time"] / _SECOND))
    parts = [f"{at}.{event['time'] % _SECOND // 1_000_000:03d}", f"{body['kind']:<18}"]
    if "argv" in body:
        parts.append(" ".join(body["argv"]))
    if body.get("actor"):
        actor = body["actor"]
        parts.append(f"by {actor.get('exe') or actor.get('pid')}")
    parts += [f"{name}={_short(value)}" for name, value in body.items() if name not in _QUIET]
    return " ".join(parts).translate(_CONTROL)


def _short(value: Any) -> str:
    if isinstance(value, dict) and "ip" in value:
        return f"{value['ip']}:{value.get('port', '')}"
    if isinstance(value, dict | list):
        return msgspec.json.encode(value).decode()
    return str(value)


COMMAND = Command("tail", "follow events as they happen", _run, _arguments)

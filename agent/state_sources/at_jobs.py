"""What atd runs once (at(1)): who asked, when it is due, the commands; never the environment kept with it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from ..state_diff import Snapshot
from ..state_source import Found, Place, Source

_NAME = re.compile(r"[a-zA-Z=](?P<job>[0-9a-fA-F]{5})(?P<minutes>[0-9a-fA-F]{8})")
_OWNER = re.compile(rb"^# atrun uid=(\d{1,10}) gid=\d{1,10}", re.MULTILINE)
_BEGIN = re.compile(rb"^cd .*\|\| \{\n(?:.*\n){1,3}?\}\n", re.MULTILINE)
_COMMANDS = 50


def parse(found: Found) -> Snapshot:
    """Return lines such as ``due 2026-11-22T10:00:00Z``, ``uid 1000``, ``run: …``; none for other files."""
    named = _NAME.fullmatch(found.path.rpartition("/")[2])
    if named is None:
        return {}
    said = [f"due {_due(int(named['minutes'], 16))}"]
    owner = _OWNER.search(found.content)
    if owner:
        said.append(f"uid {owner[1].decode()}")
    return {found.path: dict.fromkeys((*said, *_commands(found.content)), "")}


def _commands(script: bytes) -> list[str]:
    """Return what follows the change of folder, after which at puts the commands."""
    begin = _BEGIN.search(script)
    if begin is None:
        return ["commands not found"]
    lines = script[begin.end() :].decode("utf-8", "replace").splitlines()
    here = [line for line in lines if not _marks(line)]
    return [f"run: {line.strip()}" for line in here[:_COMMANDS] if line.strip()]


def _marks(line: str) -> bool:
    """Whether line is the here-document that at puts around the commands for another shell."""
    return "marcinDELIMITER" in line


def _due(minutes: int) -> str:
    try:
        return datetime.fromtimestamp(minutes * 60, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"minute {minutes}"


SOURCE = Source("at", lambda _homes: (Place("/var/spool/cron/atjobs"), Place("/var/spool/at")), parse)

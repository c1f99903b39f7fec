"""What both sizes of the demo share: the options, how they speak, and how they fail."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

FILES = ("export", "bundle", "receipts")
"""Options that name a file to write."""


class DemoFailed(RuntimeError):
    """The demo did not show what it must; the message says what."""


def options() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="make demo", description="a real incident, as it happens, with proof"
    )
    parser.add_argument("--once", action="store_true", help="clean up and exit after the incident")
    parser.add_argument("--tamper", action="store_true", help="then rewrite the record as its administrator")
    parser.add_argument("--export", type=Path, metavar="FILE", help="write all events as OCSF NDJSON")
    parser.add_argument("--bundle", type=Path, metavar="FILE", help="write the incident's evidence")
    parser.add_argument("--receipts", type=Path, metavar="FILE", help="write the hosts' receipts")
    parser.add_argument("--join", action="store_true", help="a shell on a laptop of the demo that runs")
    parser.add_argument("--clean", action="store_true", help="remove what an interrupted demo left behind")
    return parser.parse_args()


def again(asked: argparse.Namespace) -> list[str]:
    """Return options as words of a command line, with whole paths."""
    flags = [f"--{name}" for name in ("once", "tamper") if getattr(asked, name)]
    files = [(name, getattr(asked, name)) for name in FILES if getattr(asked, name) is not None]
    return [*flags, *(word for name, path in files for word in (f"--{name}", str(path.resolve())))]


def say(text: str) -> None:
    """Write a line to who watches the demo, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()

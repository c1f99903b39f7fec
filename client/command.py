"""The contract of a command: its verb, its options, and a function that returns an exit code.

A module in `commands/` sets COMMAND. Its file is named after its verb, so that only that one is loaded.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .screen import Screen

FINE = 0
"""All is well."""
FOUND = 1
"""The answer is bad news: degraded, incomplete, or broken."""
FAULT = 2
"""Wrong usage, or the command could not do its work."""
NOT_LOGGED_IN = 3
"""Nobody is logged in, or the collector no longer accepts the login."""


@dataclass(frozen=True)
class Call:
    """One call: parsed options, the folder of the login, and where the answer goes."""

    options: argparse.Namespace
    folder: Path
    screen: Screen


def no_arguments(parser: argparse.ArgumentParser) -> None:
    """Take no options besides the common ones."""


@dataclass(frozen=True)
class Command:
    """A verb. run returns an exit code and raises ClientError for what the user can act on."""

    verb: str
    summary: str
    run: Callable[[Call], int]
    arguments: Callable[[argparse.ArgumentParser], None] = no_arguments


def times(parser: argparse.ArgumentParser) -> None:
    """Take --from and --to."""
    note = "2026-01-31, 2026-01-31T08:00Z, 1h or 2d ago as 1h or 2d"
    parser.add_argument("--from", dest="begin", metavar="TIME", help=f"not before this time: {note}")
    parser.add_argument("--to", dest="end", metavar="TIME", help="before this time")


def limit(parser: argparse.ArgumentParser, default: int) -> None:
    """Take --limit."""
    parser.add_argument("--limit", type=int, default=default, metavar="N", help=f"rows at most ({default})")

"""The contract of a command: its words, its options, and a function that returns an exit code.

A module in `commands/` sets COMMAND. Its file is named after its words (`token create` → `token_create.py`),
so that only the command that was asked for is imported.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from . import settings_file
from .settings import Settings
from .terminal import Terminal

FINE = 0
"""All is well."""
FOUND = 1
"""The answer is bad news: degraded, damaged, or something was found."""
FAULT = 2
"""Wrong usage, or the command could not do its work."""
NOT_SET_UP = 3
"""The collector has no keys yet, or nobody is logged in."""

CONFIG = Path("/etc/vedette/collector.toml")


@dataclass(frozen=True)
class Invocation:
    """One call of a command: its parsed options, where its settings are, and where its answer goes."""

    options: argparse.Namespace
    config: Path
    terminal: Terminal

    def settings(self) -> Settings:
        """Read the settings file and its drop-ins; without the usual file the defaults hold.

        Raises:
            SettingsError: a file cannot be read or is wrong; the message names file, line and field.
        """
        return settings_file.load(self.config, required=self.config != CONFIG)


def no_arguments(parser: argparse.ArgumentParser) -> None:
    """Take no options besides the common ones."""


@dataclass(frozen=True)
class Command:
    """A verb. run returns an exit code and raises CollectorError for what an operator can act on."""

    words: str
    summary: str
    run: Callable[[Invocation], int]
    arguments: Callable[[argparse.ArgumentParser], None] = no_arguments

"""The contract of a command: its words, its options, and a function that returns an exit code.

A module in `commands/` sets COMMAND. Its file is named after its words (`spool status` → `spool_status.py`,
`reset-identity` → `reset_identity.py`), so that only the command that was asked for is imported.
"""

from __future__ import annotations

import argparse
import traceback
from collections.abc import Callable
from pathlib import Path

import msgspec

from . import settings_file
from .console import Console
from .errors import AgentError, NotEnrolled
from .settings import Settings

FINE = 0
"""All is well."""
FOUND = 1
"""The answer is bad news: degraded, damaged, or something was found."""
FAULT = 2
"""Wrong usage, or the command could not do its work."""
NOT_ENROLLED = 3
"""This host has no identity yet."""

_INTERRUPTED = 130

CONFIG = Path("/etc/vedette/agent.toml")


class Invocation(msgspec.Struct, frozen=True):
    """One call of a command: its parsed options, where its settings are, and where its answer goes."""

    options: argparse.Namespace
    config: Path
    console: Console

    def settings(self) -> Settings:
        """Read the settings file and its drop-ins; without the usual file the defaults hold.

        Raises:
            SettingsError: a file cannot be read or is wrong; the message names file, line and field.
        """
        return settings_file.load(self.config, required=self.config != CONFIG)

    def guard(self, work: Callable[[], int], what: str) -> int:
        """Return the exit code of work; its errors become one line on stderr, never a traceback."""
        try:
            return work()
        except KeyboardInterrupt:
            return _INTERRUPTED
        except BrokenPipeError:
            return FINE
        except NotEnrolled as error:
            return self._fail(str(error), NOT_ENROLLED)
        except AgentError as error:
            return self._fail(str(error), FAULT)
        except Exception as error:  # noqa: BLE001 - the last guard before a user would see a traceback
            place = traceback.extract_tb(error.__traceback__)[-1]
            unexpected = (
                f"{what}: unexpected {type(error).__name__}: {error} (line {place.lineno} of {place.name})"
            )
            return self._fail(f"{unexpected}; run it again with --debug and report it", FAULT)

    def _fail(self, message: str, code: int) -> int:
        if self.options.debug:
            traceback.print_exc()
        if self.console.as_json:
            self.console.value({"error": message, "code": code})
        self.console.error(message)
        return code


def no_arguments(parser: argparse.ArgumentParser) -> None:
    """Take no options besides the common ones."""


class Command(msgspec.Struct, frozen=True):
    """A verb. run returns an exit code and raises AgentError for what an operator can act on."""

    words: str
    summary: str
    run: Callable[[Invocation], int]
    arguments: Callable[[argparse.ArgumentParser], None] = no_arguments

"""The rules that a command is about: of the folder that was named, else of the settings."""

from __future__ import annotations

import argparse
from pathlib import Path

from .command import Invocation
from .errors import SettingsError
from .sigma.ruleset import Ruleset, assemble
from .sigma_folder import Folder


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take the option that names the folder."""
    parser.add_argument("--rules", type=Path, metavar="DIR", help="folder of Sigma rules (detection.sigma)")


def ruleset(call: Invocation) -> Ruleset:
    """Return the rules of the folder.

    Raises:
        SettingsError: none is named, or it cannot be read.
    """
    settings = call.settings().detection
    folder = call.options.rules or settings.sigma
    if folder is None:
        raise SettingsError("no folder of rules: name one with --rules DIR, or set detection.sigma")
    return assemble(Folder(folder, settings.sigma_placeholders).read())

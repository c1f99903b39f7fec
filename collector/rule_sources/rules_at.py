"""The rules that a command is about: of the folders that were named, else of the settings."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..command import Invocation
from ..errors import SettingsError
from ..sigma.ruleset import Ruleset, assemble
from .sigma_folder import Folder
from .site_folder import SiteFolder, Tried


def sigma_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the option that names the folder of Sigma rules."""
    parser.add_argument("--rules", type=Path, metavar="DIR", help="folder of Sigma rules (detection.sigma)")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take the options that name the folders."""
    sigma_arguments(parser)
    parser.add_argument(
        "--python", type=Path, metavar="DIR", help="folder of the site's detections (detection.python)"
    )


def ruleset(call: Invocation) -> Ruleset:
    """Return the Sigma rules of the folder.

    Raises:
        SettingsError: none is named, or it cannot be read.
    """
    settings = call.settings().detection
    folder = call.options.rules or settings.sigma
    if folder is None:
        raise SettingsError("no folder of rules: name one with --rules DIR, or set detection.sigma")
    return assemble(Folder(folder, settings.sigma_placeholders).read())


def both(call: Invocation) -> tuple[Ruleset, list[Tried]]:
    """Return the Sigma rules, and the site's detections tried on their examples; of either may be none.

    Where an option names a folder, only folders that options name are read.

    Raises:
        SettingsError: no folder is named, or one cannot be read.
    """
    settings, options = call.settings().detection, call.options
    named = options.rules is not None or options.python is not None
    sigma = options.rules if named else settings.sigma
    python = options.python if named else settings.python
    if sigma is None and python is None:
        raise SettingsError(
            "no folder of rules: name one with --rules DIR or --python DIR, or set detection.sigma"
        )
    rules = Ruleset() if sigma is None else assemble(Folder(sigma, settings.sigma_placeholders).read())
    return rules, [] if python is None else SiteFolder(python).tried()

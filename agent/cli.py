"""The `vedette-agent` command: finds the verb's module, parses its options, turns errors into exit codes."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from evidence import found_modules

from . import commands, console
from .command import CONFIG, FAULT, FINE, Command, Invocation


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; never shows a traceback unless `--debug` asks for it."""
    words = list(sys.argv[1:] if argv is None else argv)
    found = _find(words)
    if found is None:
        return _usage(words)
    command, rest = found
    parser = _parser(command)
    try:
        options = parser.parse_args(rest)
    except SystemExit as stop:
        return FINE if stop.code in (0, None) else FAULT
    call = Invocation(options, options.config, console.standard(as_json=options.json))
    return call.guard(lambda: command.run(call), command.words)


def _modules() -> dict[str, str]:
    """Return the command modules by their words as typed, with a dash or a space for each underscore."""
    return {name: name for name in found_modules.names(commands.__path__)}


def _find(words: Sequence[str]) -> tuple[Command, list[str]] | None:
    """Return the command that words name, longest first, and the words that follow it."""
    modules = _modules()
    named = _leading(words)
    for length in range(len(named), 0, -1):
        name = "_".join(named[:length]).replace("-", "_")
        if name in modules:
            command = load(name)
            if command.words.split() == list(named[:length]):
                return command, list(words[length:])
    return None


def _leading(words: Iterable[str]) -> list[str]:
    named: list[str] = []
    for word in words:
        if word.startswith("-") or len(named) == 3:  # noqa: PLR2004 - no command has more words
            break
        named.append(word)
    return named


def load(name: str) -> Command:
    """Import commands/name.py and return its COMMAND.

    Raises:
        TypeError: the module has no COMMAND of the right type.
    """
    command = getattr(importlib.import_module(f"{commands.__name__}.{name}"), "COMMAND", None)
    if not isinstance(command, Command):
        raise TypeError(f"agent/commands/{name}.py: COMMAND is no Command")
    return command


def _parser(command: Command) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        f"vedette-agent {command.words}", description=command.summary, allow_abbrev=False
    )
    command.arguments(parser)
    parser.add_argument("--config", type=Path, default=CONFIG, metavar="FILE", help=f"settings ({CONFIG})")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
    return parser


def _usage(words: Sequence[str]) -> int:
    asked = bool(words) and words[0] in ("-h", "--help", "help")
    if words and words[0] == "--version":
        return main(["version", *words[1:]])
    group = _leading(words)
    every = sorted((load(name) for name in _modules()), key=lambda command: command.words)
    some = [one for one in every if group and one.words.split()[0] == group[0]]
    stream = sys.stdout if asked else sys.stderr
    if words and not asked and not some:
        stream.write(f"vedette-agent: no command {' '.join(group) or words[0]!r}; the commands are:\n")
    else:
        stream.write("usage: vedette-agent COMMAND [--config FILE] [--json] [--debug]\n\n")
    for one in some or every:
        stream.write(f"  {one.words:<18} {one.summary}\n")
    return FINE if asked else FAULT


if __name__ == "__main__":
    sys.exit(main())

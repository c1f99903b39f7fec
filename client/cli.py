"""The `vedette` command: finds the verb's module, parses its options, turns errors into exit codes."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from evidence import found_modules

from . import commands, screen
from .command import FAULT, FINE, NOT_LOGGED_IN, Call, Command
from .errors import ClientError, NotLoggedIn

_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; never shows a traceback unless `--debug` asks for it."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["--version"]:
        words[0] = "version"
    if not words or words[0] not in verbs():
        return _usage(words)
    command = load(words[0])
    try:
        options = _parser(command).parse_args(words[1:])
    except SystemExit as stop:
        return FINE if stop.code in (0, None) else FAULT
    return _run(command, Call(options, options.config, screen.standard(as_json=options.json)))


def _run(command: Command, call: Call) -> int:
    try:
        return command.run(call)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read our answer has seen enough; Python's own flush at exit must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE
    except NotLoggedIn as error:
        return _fail(call, error, NOT_LOGGED_IN)
    except (ClientError, OSError) as error:
        return _fail(call, error, FAULT)
    except Exception as error:  # noqa: BLE001 - a user never sees a traceback unasked
        if call.options.debug:
            traceback.print_exc()
        call.screen.error(
            f"{command.verb}: unexpected {type(error).__name__}: {error}; "
            "run it again with --debug and report it"
        )
        return FAULT


def _fail(call: Call, error: Exception, code: int) -> int:
    if call.options.debug:
        traceback.print_exc()
    if call.screen.as_json:
        call.screen.value({"error": str(error), "code": code})
    call.screen.error(str(error))
    return code


def verbs() -> list[str]:
    """Return every verb, by the names of the modules in commands/."""
    return found_modules.names(commands.__path__)


def load(verb: str) -> Command:
    """Import commands/<verb>.py and return its COMMAND.

    Raises:
        TypeError: the module has no COMMAND of that verb.
    """
    command = getattr(importlib.import_module(f"{commands.__name__}.{verb}"), "COMMAND", None)
    if not isinstance(command, Command) or command.verb != verb:
        raise TypeError(f"client/commands/{verb}.py: COMMAND is no Command of this verb")
    return command


def folder(environment: Mapping[str, str]) -> Path:
    """Return the folder of the login: ``~/.config/vedette``, or below XDG_CONFIG_HOME."""
    base = environment.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path(environment.get("HOME", "/")) / ".config") / "vedette"


def _parser(command: Command) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(f"vedette {command.verb}", description=command.summary)
    command.arguments(parser)
    parser.add_argument(
        "--config",
        type=Path,
        default=folder(os.environ),
        metavar="FOLDER",
        help="folder of the login (~/.config/vedette)",
    )
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
    return parser


def _usage(words: Sequence[str]) -> int:
    asked = bool(words) and words[0] in ("-h", "--help", "help")
    stream = sys.stdout if asked else sys.stderr
    if words and not asked:
        stream.write(f"vedette: no command {words[0]!r}; the commands are:\n")
    else:
        stream.write("usage: vedette COMMAND [--json] [--config FOLDER]\n\n")
    for command in map(load, verbs()):
        stream.write(f"  {command.verb:<10} {command.summary}\n")
    if not words or asked:
        stream.write("\n`vedette COMMAND --help` shows a command's options; start with `vedette login`.\n")
    return FINE if asked else FAULT


if __name__ == "__main__":
    sys.exit(main())

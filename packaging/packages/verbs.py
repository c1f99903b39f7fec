"""The verbs of our three commands with their options, as their own parsers have them."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

from .product import Program

_ADDED_BY_ALL = ("--json", "--debug")


class _Command(Protocol):
    """What the commands of all three programs have in common."""

    @property
    def summary(self) -> str: ...

    @property
    def arguments(self) -> Callable[[argparse.ArgumentParser], None]: ...


@dataclass(frozen=True)
class Option:
    """An option or a positional argument: how it is written, what it takes, and what it is for."""

    flags: tuple[str, ...]  # none for a positional argument
    value: str | None  # what stands for its value
    choices: tuple[str, ...]
    help: str


@dataclass(frozen=True)
class Verb:
    """What is typed after the command, and what it does."""

    words: str
    summary: str
    usage: str
    options: tuple[Option, ...]


def verbs(program: Program, left_out: tuple[str, ...] = ()) -> list[Verb]:
    """Return the verbs of program in the order of their words; left_out are modules by file name.

    Raises:
        TypeError: a module of its commands/ has no COMMAND.
    """
    package = program.module.split(".")[0]
    commands = importlib.import_module(f"{package}.commands")
    load = cast("Callable[[str], _Command]", importlib.import_module(program.module).load)
    names = [found.name for found in pkgutil.iter_modules(commands.__path__)]
    return sorted(
        (_verb(program, load(name)) for name in names if f"{package}/commands/{name}.py" not in left_out),
        key=lambda verb: verb.words,
    )


def _verb(program: Program, command: _Command) -> Verb:
    words: str = getattr(command, "words", None) or getattr(command, "verb")  # noqa: B009 - of two types
    parser = argparse.ArgumentParser(f"{program.name} {words}")
    command.arguments(parser)
    parser.add_argument("--config", metavar="PATH", help="the settings; of vedette the folder of the login")
    for flag, text in zip(_ADDED_BY_ALL, ("answer in JSON", "show where an error came from"), strict=True):
        parser.add_argument(flag, action="store_true", help=text)
    usage = " ".join(parser.format_usage().removeprefix("usage: ").split())
    return Verb(words, command.summary, usage, tuple(map(_option, parser._actions)))  # noqa: SLF001 - argparse has no public list


def _option(action: argparse.Action) -> Option:
    value: str | None = None
    if action.nargs != 0:
        name = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
        value = "|".join(map(str, action.choices)) if action.choices and not action.metavar else name
    choices = tuple(map(str, action.choices or ()))
    return Option(tuple(action.option_strings), value, choices, (action.help or "").replace("%%", "%"))

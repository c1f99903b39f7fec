"""Pages of the manual in roff: one for each command, and one for each of its verbs."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from runtime.toolchain import EPOCH

from .product import Product, Program, version
from .verbs import Option, Verb, verbs

_EXIT = (
    ("0", "All is well."),
    ("1", "The answer is bad news: degraded, damaged, or something was found."),
    ("2", "Wrong usage, or the command could not do its work."),
    ("3", "Not enrolled, not set up, or not logged in."),
)


def write(product: Product, target: Path) -> list[Path]:
    """Write the pages of product, compressed, into target; return them."""
    target.mkdir(parents=True, exist_ok=True)
    made = []
    for program in product.programs:
        for name, text in pages(program, product.left_out):
            path = target / f"{name}.{program.section}.gz"
            path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
            made.append(path)
    return made


def pages(program: Program, left_out: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield (name, roff text) of the page of program, and of each of its verbs."""
    every = verbs(program, tuple(left_out))
    yield program.name, overview(program, every)
    for verb in every:
        yield f"{program.name}-{verb.words.replace(' ', '-')}", page(program, verb)


def overview(program: Program, every: Sequence[Verb]) -> str:
    """Return the page of a command: its verbs with a line each."""
    lines = [
        *_head(program.name, program, f"the {program.name} command of {program.title}"),
        ".SH SYNOPSIS",
        f".B {_text(program.name)}",
        r"\fICOMMAND\fR [\fIOPTIONS\fR]",
        ".SH COMMANDS",
    ]
    for verb in every:
        lines += [".TP", f".B {_text(verb.words)}", _text(_sentence(verb.summary))]
    lines += [*_exit_codes(), ".SH SEE ALSO"]
    names = [f"{program.name}-{verb.words.replace(' ', '-')}" for verb in every]
    lines += _list([rf".BR {_text(name)} ({program.section})" for name in names])
    return "\n".join(lines) + "\n"


def page(program: Program, verb: Verb) -> str:
    """Return the page of one verb: usage, options and exit codes."""
    name = f"{program.name}-{verb.words.replace(' ', '-')}"
    usage = verb.usage.removeprefix(f"{program.name} {verb.words}").strip()
    lines = [
        *_head(name, program, verb.summary),
        ".SH SYNOPSIS",
        f".B {_text(f'{program.name} {verb.words}')}",
        _text(usage),
        ".SH DESCRIPTION",
        _text(_sentence(verb.summary)),
        ".SH OPTIONS",
        *(line for option in verb.options for line in _option(option)),
        *_exit_codes(),
        ".SH SEE ALSO",
        rf".BR {_text(program.name)} ({program.section})",
    ]
    return "\n".join(lines) + "\n"


def _head(name: str, program: Program, summary: str) -> list[str]:
    day = datetime.fromtimestamp(int(EPOCH), UTC).date()
    return [
        f'.TH {_text(name.upper())} {program.section} "{day}" "Vedette {version()}" "{program.title}"',
        ".SH NAME",
        rf"{_text(name)} \- {_text(summary)}",
    ]


def _option(option: Option) -> list[str]:
    words = [rf"\fB{_text(flag)}\fR" for flag in option.flags]
    value = rf"\fI{_text(option.value)}\fR" if option.value else ""
    head = " ".join(part for part in (", ".join(words), value) if part)
    return [".TP", head, _text(_sentence(option.help) if option.help else "")]


def _exit_codes() -> list[str]:
    lines = [".SH EXIT STATUS"]
    for code, meaning in _EXIT:
        lines += [".TP", code, meaning]
    return lines


def _list(lines: Sequence[str]) -> list[str]:
    return [f"{line} ," for line in lines[:-1]] + list(lines[-1:])


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


def _text(text: str) -> str:
    """Return text with what roff would take for its own quoted."""
    quoted = text.replace("\\", r"\(rs").replace("-", r"\-").replace("\n", " ")
    return rf"\&{quoted}" if quoted.startswith((".", "'")) else quoted

"""Where a command writes: answers on stdout, diagnostics on stderr, JSON when asked, colour on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

import msgspec
from rich.console import Console
from rich.text import Text


class Terminal:
    """Two streams and a format. `--json` answers are one JSON document a line."""

    def __init__(self, out: TextIO, err: TextIO, *, as_json: bool = False) -> None:
        self._out = out
        self._err = err
        self.as_json = as_json

    def answer(self, value: Any, text: str) -> None:
        """Write the answer: value with --json, else text."""
        if self.as_json:
            self.value(value)
        else:
            self.line(text)

    def value(self, value: Any) -> None:
        """Write value as one line of JSON."""
        self._out.write(msgspec.json.encode(value, enc_hook=str).decode() + "\n")
        self._out.flush()

    def line(self, text: str, style: str | None = None) -> None:
        """Write one line of the answer; style is a rich style (``bold red``), used on a terminal only."""
        _write(self._out, text, style)

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[str | None]]) -> None:
        """Write rows in aligned columns under heads; None is shown as a dash."""
        lines = [tuple(heads), *(tuple(cell or "-" for cell in row) for row in rows)]
        widths = [max(len(line[at]) for line in lines) for at in range(len(heads))]
        for number, line in enumerate(lines):
            padded = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            self.line(padded.rstrip(), "bold" if number == 0 else None)

    def note(self, text: str) -> None:
        """Write one line of progress to stderr."""
        _write(self._err, text, None)

    def warn(self, text: str) -> None:
        """Write one diagnostic line."""
        _write(self._err, text, "yellow")

    def error(self, text: str) -> None:
        """Write why the command failed."""
        _write(self._err, f"vedette-collector: {text}", "bold red")


def standard(*, as_json: bool) -> Terminal:
    """Return the terminal of this process."""
    return Terminal(sys.stdout, sys.stderr, as_json=as_json)


def _write(stream: TextIO, text: str, style: str | None) -> None:
    if style is None or not stream.isatty():
        stream.write(text + "\n")
    else:
        Console(file=stream, soft_wrap=True).print(Text(text, style=style))
    stream.flush()

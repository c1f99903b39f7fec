"""Where a command writes: answers on stdout, diagnostics on stderr, JSON when asked, colour on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

import msgspec
from rich import box
from rich.console import Console, RenderableType
from rich.progress import DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from .text import iso_times, safe, safe_json

_WIDE = 400
"""Columns where there is no terminal: nothing is cut or wrapped for a file or a pipe."""

Part = str | tuple[str, str]
"""Text as it came, or with a rich style."""


def styled(*parts: Part) -> Text:
    """Return parts as one text; whatever they hold, nothing in them is markup or a control character."""
    pairs = [(part, "") if isinstance(part, str) else part for part in parts]
    return Text.assemble(*((safe(text), style) for text, style in pairs))


class Screen:
    """The two streams of a command, and the form of its answer."""

    def __init__(self, out: TextIO, err: TextIO, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self._out = out
        self._console = _console(out)
        self._errors = _console(err)

    @property
    def interactive(self) -> bool:
        """Whether a person watches."""
        return self._console.is_terminal

    @property
    def width(self) -> int:
        """Columns there are."""
        return self._console.width

    def value(self, value: Any) -> None:
        """Write value as one line of JSON; its times, UTC ns until here, as ISO-8601."""
        self._out.write(safe_json(msgspec.json.encode(iso_times(value)).decode()) + "\n")
        self._out.flush()

    def line(self, *parts: Part) -> None:
        """Write one line of the answer."""
        self._console.print(styled(*parts), soft_wrap=True)

    def show(self, item: RenderableType) -> None:
        """Write a table or a tree whose texts were made by `styled`."""
        self._console.print(item)

    def table(
        self, heads: Sequence[str], rows: Iterable[Sequence[Part | Text]], *, right: Sequence[str] = ()
    ) -> None:
        """Write rows under heads; the last column takes what room is left, those in right are numbers."""
        made = table(heads, right=right)
        for row in rows:
            made.add_row(*(cell if isinstance(cell, Text) else styled(cell) for cell in row))
        self.show(made)

    def note(self, text: str) -> None:
        """Write one diagnostic line."""
        self._errors.print(styled((text, "dim")), soft_wrap=True)

    def error(self, text: str) -> None:
        """Write why the command failed."""
        self._errors.print(styled(("vedette: ", "bold red"), text), soft_wrap=True)

    @contextmanager
    def progress(self, what: str) -> Iterator[Progress]:
        """Show how many bytes came so far, on a terminal only."""
        bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            DownloadColumn(),
            TimeElapsedColumn(),
            console=self._errors,
            disable=not self._errors.is_terminal,
            transient=True,
        )
        with bar:
            bar.add_task(safe(what), total=None)
            yield bar


def table(heads: Sequence[str], *, right: Sequence[str] = ()) -> Table:
    """Return an empty table in the command's one look."""
    made = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0), header_style="bold"
    )
    for position, head in enumerate(heads):
        last = position == len(heads) - 1
        made.add_column(
            styled(head),
            justify="right" if head in right else "left",
            no_wrap=not last,
            overflow="fold" if last else "ellipsis",
            ratio=1 if last else None,
        )
    return made


def _console(stream: TextIO) -> Console:
    terminal = stream.isatty()
    return Console(
        file=stream,
        force_terminal=terminal,
        no_color=None if terminal else True,
        width=None if terminal else _WIDE,
        markup=False,
        highlight=False,
        emoji=False,
    )


def standard(*, as_json: bool) -> Screen:
    """Return the screen of this process."""
    return Screen(sys.stdout, sys.stderr, as_json=as_json)

"""The nodes of a search as a condition in SQL; what the analyst wrote becomes parameters only.

Text is compared without regard to case. A word without a field is looked for inside the free-text columns.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from ..errors import QueryError
from . import moments
from .search import Both, Compare, Match, Node, Not, Range, Text, parse

Kind = Literal["text", "id", "number", "time", "texts", "flag"]

_NUMBER = re.compile(r"(-?[0-9]{1,19})(?:([kMGT])(i?)B?)?")
_POWERS = {"k": 1, "M": 2, "G": 3, "T": 4}
_INT_LIMIT = 1 << 63
_PLAIN = re.compile(r"(%?)((?:[^%_\\]|\\.)*)(%?)", re.DOTALL)
"""A pattern that is open at its ends at most."""
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class Column(msgspec.Struct, frozen=True):
    """A column a search may name: text ignores case, id is compared exactly, texts is a list of text."""

    name: str
    kind: Kind


class Fields(msgspec.Struct, frozen=True):
    """Columns by the names an analyst may use (any of several may match), and those of bare words."""

    by_name: Mapping[str, tuple[Column, ...]]
    free_text: tuple[Column, ...]


class Where(msgspec.Struct, frozen=True):
    """A condition in SQL, and the values of its question marks."""

    sql: str
    parameters: tuple[str | int, ...] = ()


def condition(text: str, fields: Fields, now: int) -> Where:
    """Return the condition that the query text asks for; ages in it count back from now (UTC ns).

    Raises:
        QueryError: the query is wrong; the message names the position and what was expected there.
    """
    node = parse(text)
    return Where("TRUE") if node is None else _Compiler(fields, now).where(node)


def names(text: str, field: str) -> bool:
    """Return whether the query text asks about a field.

    Raises:
        QueryError: the query is wrong.
    """
    waiting = [parse(text)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Both):
            waiting.extend(node.nodes)
        elif isinstance(node, Not):
            waiting.append(node.node)
        elif node is not None and node.field == field:
            return True
    return False


class _Compiler:
    """Nodes to SQL, for one set of fields and one now."""

    def __init__(self, fields: Fields, now: int) -> None:
        self._fields = fields
        self._now = now

    def where(self, node: Node) -> Where:
        if isinstance(node, Not):
            inner = self.where(node.node)
            return Where(f"NOT coalesce({inner.sql}, FALSE)", inner.parameters)
        if isinstance(node, Both):
            return _join(f" {node.word} ", [self.where(child) for child in node.nodes])
        if node.field is None:
            return self._anywhere(node)
        columns = self._fields.by_name.get(node.field)
        if columns is None:
            raise QueryError(
                f"query, position {node.at + 1}: there is no field {node.field!r}; `vedette search --fields` "
                'lists them, and "quotes" search for text with a colon'
            )
        return _join(" OR ", [self._match(column, node) for column in columns])

    def _anywhere(self, node: Match) -> Where:
        if not isinstance(node.value, Text):
            raise QueryError(f"query, position {node.at + 1}: a comparison needs a field")
        pattern = f"%{node.value.pattern}%"
        return _join(" OR ", [_like(column, pattern) for column in self._fields.free_text])

    def _match(self, column: Column, node: Match) -> Where:
        value = node.value
        if isinstance(value, Text):
            if value.pattern == "%":
                return Where(f"{_quote(column)} IS NOT NULL")
            return self._equal(column, value)
        if isinstance(value, Compare):
            return Where(f"{_quote(column)} {value.operator} ?", (self._scalar(column, value.bound),))
        return self._between(column, value)

    def _equal(self, column: Column, value: Text) -> Where:
        if column.kind in ("text", "texts"):
            return _like(column, value.pattern)
        if column.kind == "id":
            if value.wild:
                return _like(column, value.pattern)
            return Where(f"{_quote(column)} = ?", (value.literal,))
        return Where(f"{_quote(column)} = ?", (self._scalar(column, value),))

    def _between(self, column: Column, value: Range) -> Where:
        parts: list[Where] = []
        if value.low is not None:
            sign = ">=" if value.with_low else ">"
            parts.append(Where(f"{_quote(column)} {sign} ?", (self._scalar(column, value.low),)))
        if value.high is not None:
            sign = "<=" if value.with_high else "<"
            parts.append(Where(f"{_quote(column)} {sign} ?", (self._scalar(column, value.high),)))
        return _join(" AND ", parts) if parts else Where(f"{_quote(column)} IS NOT NULL")

    def _scalar(self, column: Column, text: Text) -> str | int:
        """Return the value to compare a column with: an integer for numbers and times, else text."""
        where = f"query, position {text.at + 1}"
        if column.kind == "texts":
            raise QueryError(f"{where}: {column.name} is a list of texts; it has no order")
        if column.kind in ("text", "id"):
            return text.literal
        if column.kind == "flag":
            return _flag(text.literal, where)
        try:
            return moments.parse(text.literal, self._now) if column.kind == "time" else _integer(text.literal)
        except QueryError as error:
            raise QueryError(f"{where}: {error}") from error


def _flag(text: str, where: str) -> int:
    if text.lower() not in ("true", "false"):
        raise QueryError(f"{where}: {text[:40]!r} is neither true nor false")
    return int(text.lower() == "true")


def _integer(text: str) -> int:
    number = _NUMBER.fullmatch(text)
    if number is None:
        raise QueryError(f"{text[:40]!r} is no whole number such as 4096, 10MB or 2GiB")
    digits, power, binary = number.groups()
    factor: int = (1024 if binary else 1000) ** _POWERS.get(power, 0)
    value = int(digits) * factor
    if not -_INT_LIMIT <= value < _INT_LIMIT:
        raise QueryError(f"{text[:40]!r} is more than 64 bits hold")
    return value


def _quote(column: Column) -> str:
    return '"' + column.name.replace('"', '""') + '"'


def _like(column: Column, pattern: str) -> Where:
    """Return that a text fits, in any case: lower() of both takes a quarter of what ILIKE does."""
    text = f"array_to_string({_quote(column)}, ' ')" if column.kind == "texts" else _quote(column)
    return fits(f"lower({text})", f"%{pattern}%" if column.kind == "texts" else pattern)


def fits(text: str, pattern: str) -> Where:
    """Return that a text in lower case fits a pattern of LIKE with backslashes, of which lower() is taken.

    Where nothing but the ends is open it is looked for as it is, in a quarter of the time of LIKE.
    """
    plain = _PLAIN.fullmatch(pattern)
    if plain is None:
        return Where(f"{text} LIKE lower(?) ESCAPE '\\'", (pattern,))
    before, inner, after = plain.groups()
    wanted = (_ESCAPED.sub(r"\1", inner),)
    if before and after:
        return Where(f"contains({text}, lower(?))", wanted)
    if before or after:
        return Where(f"{'suffix' if before else 'prefix'}({text}, lower(?))", wanted)
    return Where(f"{text} = lower(?)", wanted)


def _join(word: str, parts: Sequence[Where]) -> Where:
    if len(parts) == 1:
        return parts[0]
    return Where(
        "(" + word.join(part.sql for part in parts) + ")",
        tuple(value for part in parts for value in part.parameters),
    )

"""The search language: ``user:alice AND process.cmd_line:*scp*`` becomes a tree of nodes.

Grammar::

    query   = or
    or      = and {"OR" and}
    and     = not {["AND"] not}
    not     = ["NOT"] term
    term    = "(" or ")" | field ":" value | word | quoted
    value   = "(" or of values ")" | [">" | ">=" | "<" | "<="] word | range | quoted | word
    range   = ("[" | "{") word "TO" word ("]" | "}")

In a word ``*`` stands for any characters, ``?`` for one, and a backslash takes the next character as it is;
in quotes all characters but the backslash stand for themselves. `conditions` turns the nodes into SQL.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from ..errors import QueryError

LENGTH_LIMIT = 4096
"""Characters of a query."""
TERM_LIMIT = 200
DEPTH_LIMIT = 32

Operator = Literal[">", ">=", "<", "<="]

_FIELD = re.compile(r"([A-Za-z_][A-Za-z0-9_.]{0,63}):")
_WORD = re.compile(r'(?:\\.|[^\s()"\\])+', re.DOTALL)
_BOUND = re.compile(r"(?:\\.|[^\s()\"\\\]}])+", re.DOTALL)
_QUOTED = re.compile(r'"((?:\\.|[^"\\])*)"', re.DOTALL)


class Text(msgspec.Struct, frozen=True):
    """A word or quoted text: what it stands for, its LIKE pattern, and whether it has wildcards."""

    literal: str
    pattern: str
    wild: bool
    at: int


class Compare(msgspec.Struct, frozen=True):
    """A value bounded on one side."""

    operator: Operator
    bound: Text


class Range(msgspec.Struct, frozen=True):
    """A value between two bounds; None is open."""

    low: Text | None
    high: Text | None
    with_low: bool
    with_high: bool


class Match(msgspec.Struct, frozen=True):
    """field has value; field None means anywhere in the free text."""

    field: str | None
    value: Text | Compare | Range
    at: int


class Not(msgspec.Struct, frozen=True):
    """The opposite of a node."""

    node: Node


class Both(msgspec.Struct, frozen=True):
    """All (AND) or any (OR) of the nodes."""

    word: Literal["AND", "OR"]
    nodes: tuple[Node, ...]


Node = Match | Not | Both


def parse(text: str) -> Node | None:
    """Return the query as nodes; None where the text is empty, which asks for all.

    Raises:
        QueryError: the query is wrong; the message names the position and what was expected there.
    """
    if len(text) > LENGTH_LIMIT:
        raise QueryError(f"query: {len(text)} characters, at most {LENGTH_LIMIT}")
    if "\0" in text:
        raise QueryError(f"query, position {text.index(chr(0)) + 1}: a NUL character cannot be searched for")
    return _Parser(text).query() if text.strip() else None


class _Parser:
    """A recursive descent over the text; at is the position of the next character."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._terms = 0
        self._depth = 0

    def query(self) -> Node:
        node = self._any(None)
        if self._at < len(self._text):
            raise self._error("an operator or the end; is a '(' missing?")
        return node

    def _any(self, field: str | None) -> Node:
        nodes = [self._all(field)]
        while self._keyword("OR"):
            nodes.append(self._all(field))
        return nodes[0] if len(nodes) == 1 else Both("OR", tuple(nodes))

    def _all(self, field: str | None) -> Node:
        nodes = [self._not(field)]
        while self._keyword("AND") or self._begins_term():
            nodes.append(self._not(field))
        return nodes[0] if len(nodes) == 1 else Both("AND", tuple(nodes))

    def _not(self, field: str | None) -> Node:
        negated = False
        while self._keyword("NOT"):
            negated = not negated
        node = self._term(field)
        return Not(node) if negated else node

    def _term(self, field: str | None) -> Node:
        self._skip()
        self._terms += 1
        if self._terms > TERM_LIMIT:
            raise QueryError(f"query: more than {TERM_LIMIT} terms")
        at = self._at
        if self._peek("("):
            return self._group(field)
        if field is None:
            named = _FIELD.match(self._text, self._at)
            if named:
                self._at = named.end()
                return self._group(named[1]) if self._peek("(") else Match(named[1], self._value(), at)
            return Match(None, self._word(), at)
        return Match(field, self._value(), at)

    def _group(self, field: str | None) -> Node:
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            raise QueryError(f"query, position {self._at + 1}: more than {DEPTH_LIMIT} nested parentheses")
        self._at += 1
        node = self._any(field)
        self._skip()
        if not self._peek(")"):
            raise self._error("')'")
        self._at += 1
        self._depth -= 1
        return node

    def _value(self) -> Text | Compare | Range:
        if self._peek("[") or self._peek("{"):
            return self._range()
        for operator in (">=", "<=", ">", "<"):
            if self._peek(operator):
                self._at += len(operator)
                return Compare(operator, self._word())
        return self._word()

    def _range(self) -> Range:
        with_low = self._peek("[")
        self._at += 1
        low = self._bound()
        if not self._keyword("TO"):
            raise self._error("TO, as in [1 TO 9]")
        high = self._bound()
        self._skip()
        if not (self._peek("]") or self._peek("}")):
            raise self._error("']' or '}'")
        with_high = self._peek("]")
        self._at += 1
        return Range(low, high, with_low, with_high)

    def _bound(self) -> Text | None:
        self._skip()
        text = self._word(_BOUND)
        return None if text.pattern == "%" else text

    def _word(self, shape: re.Pattern[str] = _WORD) -> Text:
        at = self._at
        quoted = _QUOTED.match(self._text, at)
        if quoted:
            self._at = quoted.end()
            return _text(quoted[1], at, wildcards=False)
        if self._peek('"'):
            raise self._error("a closing quote")
        word = shape.match(self._text, at)
        if word is None or word[0] in ("AND", "OR", "NOT"):
            raise self._error("a field, a word or '('")
        self._at = word.end()
        return _text(word[0], at, wildcards=True)

    def _skip(self) -> None:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1

    def _peek(self, token: str) -> bool:
        return self._text.startswith(token, self._at)

    def _begins_term(self) -> bool:
        self._skip()
        return self._at < len(self._text) and not self._peek(")") and not self._peek_keyword("OR")

    def _peek_keyword(self, keyword: str) -> bool:
        end = self._at + len(keyword)
        after = self._text[end : end + 1]
        return self._peek(keyword) and (not after or after.isspace() or after in '()"')

    def _keyword(self, keyword: str) -> bool:
        self._skip()
        if not self._peek_keyword(keyword):
            return False
        self._at += len(keyword)
        return True

    def _error(self, expected: str) -> QueryError:
        found = repr(self._text[self._at : self._at + 12]) if self._at < len(self._text) else "the end"
        return QueryError(f"query, position {self._at + 1}: expected {expected}, found {found}")


def _text(raw: str, at: int, *, wildcards: bool) -> Text:
    literal: list[str] = []
    pattern: list[str] = []
    wild = False
    characters = iter(raw)
    for character in characters:
        if wildcards and character in "*?":
            wild = True
            pattern.append("%" if character == "*" else "_")
            literal.append(character)
            continue
        plain = next(characters) if character == "\\" else character
        literal.append(plain)
        pattern.append("\\" + plain if plain in "%_\\" else plain)
    return Text("".join(literal), "".join(pattern), wild, at)

"""Parameters of a request: declared once, read strictly, and described in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from ..errors import QueryError
from ..questions import moments
from .errors import ApiError

Values = Mapping[str, Any]
_TRUE = frozenset({"true", "1", "yes"})
_FALSE = frozenset({"false", "0", "no"})


class Parameter(msgspec.Struct, frozen=True):
    """One parameter. high and low bound an integer; high bounds the length of a text.

    A time is ISO-8601 or an age such as ``-1h`` and is read as UTC ns.
    """

    name: str
    type: Literal["text", "integer", "time", "flag"]
    meaning: str
    place: Literal["query", "path"] = "query"
    required: bool = False
    default: Any = None
    low: int = 0
    high: int = 256
    choices: tuple[str, ...] = ()


FROM = Parameter("from", "time", "events at or after this time: ISO-8601 or an age such as -1h")
TO = Parameter("to", "time", "events before this time")


def limit(default: int, high: int) -> Parameter:
    """Return the usual parameter for how many rows are wanted."""
    return Parameter("limit", "integer", "rows at most", default=default, low=1, high=high)


def read(declared: Sequence[Parameter], given: Mapping[str, Sequence[str]], now: int) -> dict[str, Any]:
    """Return a value for every declared parameter.

    Raises:
        ApiError: one is unknown, given twice, missing, or out of its bounds; field names it.
    """
    known = {parameter.name for parameter in declared}
    for name in given:
        if name not in known:
            listed = ", ".join(sorted(known)) or "none"
            raise _bad(name[:64], f"there is no such parameter; there are: {listed}")
    return {parameter.name: _one(parameter, given.get(parameter.name, ()), now) for parameter in declared}


def _one(parameter: Parameter, texts: Sequence[str], now: int) -> Any:
    if not texts:
        if parameter.required:
            raise _bad(parameter.name, f"missing: {parameter.meaning}")
        return parameter.default
    if len(texts) > 1:
        raise _bad(parameter.name, "given more than once")
    text = texts[0]
    if parameter.type == "integer":
        return _integer(parameter, text)
    if parameter.type == "flag":
        return _flag(parameter, text)
    if parameter.type == "time":
        try:
            return moments.parse(text, now)
        except QueryError as error:
            raise _bad(parameter.name, str(error)) from error
    return _text(parameter, text)


def _integer(parameter: Parameter, text: str) -> int:
    if not text.isascii() or not text.isdigit() or not parameter.low <= int(text[:20]) <= parameter.high:
        raise _bad(
            parameter.name, f"{text[:24]!r} is no whole number from {parameter.low} to {parameter.high}"
        )
    return int(text)


def _flag(parameter: Parameter, text: str) -> bool:
    if text.lower() not in _TRUE | _FALSE:
        raise _bad(parameter.name, f"{text[:24]!r} is neither true nor false")
    return text.lower() in _TRUE


def _text(parameter: Parameter, text: str) -> str:
    if parameter.choices and text not in parameter.choices:
        raise _bad(parameter.name, f"{text[:24]!r} is none of {', '.join(parameter.choices)}")
    if len(text) > parameter.high:
        raise _bad(parameter.name, f"{len(text)} characters, at most {parameter.high}")
    if "\0" in text:
        raise _bad(parameter.name, "holds a NUL character")
    return text


def _bad(field: str, why: str) -> ApiError:
    return ApiError(400, "bad_request", f"{field}: {why}", field)

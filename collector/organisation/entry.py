"""One entry of the operator's files → its type: a table of TOML or a row of CSV, field by field. Pure.

Both forms have the same fields. In CSV everything is text: an empty cell says nothing, several values in a
cell are separated by ``;``, hours are ``8-18``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from ..errors import SettingsError
from .known import HostLabel, Human, NetworkLabel, Window
from .values import SEPARATOR, TEXT_LIMIT, cidr, fingerprint, hours, shown, text, time, timezone, use, word

VALUES_LIMIT = 1_000
"""Values of one field."""
Reader = Callable[[Any], Any]
Kind = Literal["person", "network", "host", "change_window", "on_call", "service", "service_account"]


class Field(msgspec.Struct, frozen=True):
    """A field; read makes a value of what stands there, or raises SettingsError. many: it may have more."""

    name: str
    read: Reader
    many: bool = False
    required: bool = False


class Table(msgspec.Struct, frozen=True):
    """A kind of entry: its name as a table of TOML, its file as CSV, its type, and its fields."""

    name: Kind
    csv: str
    make: Callable[..., Any]
    fields: tuple[Field, ...]


def entry(table: Table, said: Mapping[str, object]) -> Any:
    """Return one entry as the table's type.

    Raises:
        SettingsError: ``field: what is wrong with it``.
    """
    check_names(table, said)
    found: dict[str, Any] = {}
    for field in table.fields:
        value = said.get(field.name)
        if value is not None:
            read = values if field.many else _one
            found[field.name] = read(field.name, field.read, value)
        elif field.required:
            raise SettingsError(f"{field.name}: missing")
    made = table.make(**found)
    _check(made)
    return made


def check_names(table: Table, names: Iterable[str]) -> None:
    """Refuse fields that table does not have.

    Raises:
        SettingsError: the first such field, with the one that was likely meant.
    """
    known = [field.name for field in table.fields]
    for name in names:
        if name not in known:
            raise SettingsError(f"{shown(name)}: unknown field; {meant(name, known)}")


def meant(name: str, known: Sequence[str]) -> str:
    """Return which of the known names was likely meant, or all of them."""
    close = difflib.get_close_matches(name[:TEXT_LIMIT], known, 1)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"


def cells(table: Table, row: Mapping[str, str]) -> dict[str, object]:
    """Return a row of CSV as a table of TOML would say the same."""
    many = {field.name for field in table.fields if field.many}
    said: dict[str, object] = {}
    for name, cell in row.items():
        text = cell.strip()
        if text:
            parts = [part.strip() for part in text.split(SEPARATOR)]
            said[name] = [part for part in parts if part] if name in many else text
    return said


def values(name: str, read: Reader, said: object) -> tuple[Any, ...]:
    """Return the values of an array; one that stands twice counts once.

    Raises:
        SettingsError: it is none, is too long, or has a wrong value.
    """
    if not isinstance(said, list):
        raise SettingsError(f'{name}: {shown(said)} is no array; write ["one", "two"]')
    if len(said) > VALUES_LIMIT:
        raise SettingsError(f"{name}: {len(said)} values, at most {VALUES_LIMIT}")
    return tuple(dict.fromkeys(_one(name, read, each) for each in said))


def _one(name: str, read: Reader, said: object) -> Any:
    try:
        return read(said)
    except SettingsError as error:
        raise SettingsError(f"{name}: {error}") from error


def _check(made: object) -> None:
    """Refuse fields that contradict each other."""
    if isinstance(made, Window) and made.end <= made.start:
        raise SettingsError("end: not after start")
    if isinstance(made, Human) and made.hours is not None and made.timezone is None:
        raise SettingsError("hours: whose clock they are of is not said; give timezone too")
    if isinstance(made, NetworkLabel) and made.use is None and made.place is None:
        raise SettingsError("use: missing; give use, place or both")
    if isinstance(made, HostLabel) and not made.labels:
        raise SettingsError("labels: missing")


PERSON = Table(
    "person",
    "people.csv",
    Human,
    (
        Field("name", text, required=True),
        Field("accounts", word, many=True),
        Field("keys", fingerprint, many=True),
        Field("role", text),
        Field("groups", text, many=True),
        Field("timezone", timezone),
        Field("hours", hours),
    ),
)
NETWORK = Table(
    "network",
    "networks.csv",
    NetworkLabel,
    (Field("cidr", cidr, required=True), Field("use", use), Field("place", text)),
)
HOST = Table(
    "host",
    "hosts.csv",
    HostLabel,
    (Field("pattern", word, required=True), Field("labels", text, many=True, required=True)),
)
_WINDOW = (
    Field("start", time, required=True),
    Field("end", time, required=True),
    Field("why", text, required=True),
    Field("hosts", text, many=True),
    Field("persons", text, many=True),
)
CHANGE_WINDOW = Table("change_window", "change_windows.csv", Window, _WINDOW)
ON_CALL = Table("on_call", "on_call.csv", Window, _WINDOW)
TABLES = (PERSON, NETWORK, HOST, CHANGE_WINDOW, ON_CALL)

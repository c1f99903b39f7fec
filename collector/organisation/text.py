"""The text of one of the operator's files, TOML or CSV → its entries, each with where it stands. Pure."""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from ..errors import SettingsError
from .entry import TABLES, Kind, Table, cells, check_names, entry, meant, values
from .values import domain, shown, word

ENTRIES_LIMIT = 100_000
"""Entries of one file, and of all together."""
_LISTS: dict[str, tuple[Kind, Any]] = {
    "services": ("service", domain),
    "service_accounts": ("service_account", word),
}
_BY_NAME: dict[str, Table] = {table.name: table for table in TABLES}
BY_CSV = {table.csv: table for table in TABLES}


class Said(msgspec.Struct, frozen=True):
    """An entry: what it is, what it says, and where it stands, as an error names it."""

    kind: Kind
    what: Any
    where: str


def toml(content: str, name: str) -> list[Said]:
    """Return the entries of a TOML file; name is what errors call it.

    Raises:
        SettingsError: it is no TOML, or says what cannot be; with the table's number and the field.
    """
    try:
        tables = tomllib.loads(content)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{name}: not valid TOML: {error}") from error
    found: list[Said] = []
    for key, said in tables.items():
        found += _list(key, said, name) if key in _LISTS else _tables(key, said, name)
        _check_number(len(found), name)
    return found


def _list(key: str, said: object, name: str) -> Iterator[Said]:
    kind, read = _LISTS[key]
    try:
        yield from (Said(kind, one, f"{name}: {key}") for one in values(key, read, said))
    except SettingsError as error:
        raise SettingsError(f"{name}: {error}") from error


def _tables(key: str, said: object, name: str) -> Iterator[Said]:
    table = _BY_NAME.get(key)
    if table is None:
        raise SettingsError(f"{name}: {shown(key)}: unknown; {meant(key, [*_BY_NAME, *_LISTS])}")
    if not isinstance(said, list):
        raise SettingsError(f"{name}: {key}: not an array of tables; write [[{key}]]")
    for number, one in enumerate(said, start=1):
        where = f"{name}: [[{key}]] {number}"
        if not isinstance(one, dict):
            raise SettingsError(f"{where}: not a table; write [[{key}]]")
        yield _said(table, one, where)


def comma_separated(content: str, table: Table, name: str) -> list[Said]:
    """Return the rows of a CSV file of one kind of entry; name is what errors call it.

    Raises:
        SettingsError: it is no CSV, or says what cannot be; with line and field.
    """
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    header: list[str] = []
    found: list[Said] = []
    try:
        for row in reader:
            where = f"{name}:{reader.line_num}"
            if not any(cell.strip() for cell in row):
                continue
            if not header:
                header = _header(row, table, where)
                continue
            if len(row) != len(header):
                raise SettingsError(f"{where}: {len(row)} cells under {len(header)} headers; quote commas")
            found.append(_said(table, cells(table, dict(zip(header, row, strict=True))), where))
            _check_number(len(found), name)
    except csv.Error as error:
        raise SettingsError(f"{name}:{reader.line_num}: not valid CSV: {error}") from error
    return found


def _header(row: Iterable[str], table: Table, where: str) -> list[str]:
    names = [cell.strip() for cell in row]
    try:
        check_names(table, names)
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from error
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SettingsError(f"{where}: {twice}: stands twice in the header")
    return names


def _said(table: Table, fields: dict[str, Any], where: str) -> Said:
    try:
        return Said(table.name, entry(table, fields), where)
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from error


def _check_number(entries: int, name: str) -> None:
    if entries > ENTRIES_LIMIT:
        raise SettingsError(f"{name}: more than {ENTRIES_LIMIT} entries")

"""Settings from TOML: collector.toml, then collector.d/*.toml beside it in name order; later wins.

A table is merged key by key; any other value, arrays too, is replaced as a whole.
"""

from __future__ import annotations

import difflib
import functools
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from .errors import SettingsError
from .settings import Settings

_SIZE_LIMIT = 1 << 20
_AT = re.compile(r"(?P<cause>.*?)(?: - at `\$?\.?(?P<path>[^`]*)`)?", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<key>[^`]*)`")
_TABLE = re.compile(r"\s*\[\s*(?P<name>[^\[\]]+?)\s*\]\s*(?:#.*)?")
_KEY = re.compile(r"\s*(?P<name>[\w.\"' -]+?)\s*=")


def load(path: Path, *, required: bool = False) -> Settings:
    """Return the settings of path and its drop-ins; an absent file means the defaults unless required.

    Raises:
        SettingsError: a file cannot be read, is no TOML, or has a wrong key or value; with file and line.
    """
    return of_texts(path, ((file, _read(file)) for file in files(path, required=required)))


def load_with(path: Path, text: str) -> Settings:
    """Return the settings as they will be once path, which is not there yet, holds text.

    Raises:
        SettingsError: as `load`.
    """
    return of_texts(path, ((path, text), *((file, _read(file)) for file in files(path))))


def parse(text: str, name: str) -> dict[str, Any]:
    """Return the table that text holds; name is for messages.

    Raises:
        SettingsError: it is no TOML.
    """
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SettingsError(f"{name}: not valid TOML: {error}") from error


def of_texts(path: Path, texts: Iterable[tuple[Path, str]]) -> Settings:
    """Return the settings that these files make together, in this order; path is for messages.

    Raises:
        SettingsError: as `load`.
    """
    merged: dict[str, Any] = {}
    for file, text in texts:
        table = parse(text, str(file))
        check(table, text, str(file))
        _merge(merged, table)
    return check(merged, "", str(path))


def files(path: Path, *, required: bool = False) -> tuple[Path, ...]:
    """Return the files that make up the settings, in the order in which they apply.

    Raises:
        SettingsError: path is required and does not exist.
    """
    if required and not path.exists():
        raise SettingsError(f"{path}: no such file; give one with --config FILE")
    folder = path.parent / f"{path.stem}.d"
    dropped = sorted(folder.glob("*.toml")) if folder.is_dir() else []
    return (*([path] if path.exists() else []), *dropped)


def check(table: dict[str, Any], text: str, name: str) -> Settings:
    """Return table as settings; text is what it was read from, to find the line of what is wrong.

    Raises:
        SettingsError: an unknown key, or a value of the wrong type or range: ``name:line: key: cause``.
    """
    try:
        return msgspec.convert(table, Settings, dec_hook=_decode)
    except msgspec.ValidationError as error:
        keys, cause = _explain(str(error))
        line = _line(text, keys)
        where = f"{name}:{line}" if line else name
        raise SettingsError(f"{where}: {'.'.join(keys) or 'the file'}: {cause}") from error


def effective(settings: Settings) -> dict[str, Any]:
    """Return settings as plain values, every default filled in."""
    plain: dict[str, Any] = msgspec.to_builtins(settings, enc_hook=str)
    return plain


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the settings."""
    return msgspec.json.schema(_with_text_for_paths(Settings))


@functools.cache
def _with_text_for_paths(section: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """Return a section with text where it has paths, which JSON Schema does not know."""
    plain: list[tuple[str, Any, Any]] = []
    for field in msgspec.structs.fields(section):
        kind: Any = {Path: str, Path | None: str | None}.get(field.type, field.type)
        default = msgspec.to_builtins(getattr(section(), field.name), enc_hook=str)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            kind = _with_text_for_paths(kind)
            default = msgspec.convert(default, kind)
        plain.append((field.name, kind, default))
    about: dict[str, Any] = {"__doc__": section.__doc__}
    name = section.__name__
    return msgspec.defstruct(name, plain, frozen=True, forbid_unknown_fields=True, namespace=about)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_SIZE_LIMIT + 1)
        if len(raw) > _SIZE_LIMIT:
            raise SettingsError(f"{path}: more than {_SIZE_LIMIT} bytes")
        return raw.decode()
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8 at byte {error.start}") from error


def _merge(into: dict[str, Any], table: dict[str, Any]) -> None:
    for key, value in table.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _decode(wanted: type, value: Any) -> Any:
    if wanted is Path and isinstance(value, str):
        return Path(value)
    raise TypeError(f"Expected `str`, got `{type(value).__name__}`")


def _explain(message: str) -> tuple[tuple[str, ...], str]:
    """Return the keys of what is wrong and the cause, without the marks of the library."""
    match = _AT.fullmatch(message)
    cause, path = (match["cause"], match["path"] or "") if match else (message, "")
    keys = tuple(part for part in re.sub(r"\[[^\]]*\]", "", path).split(".") if part)
    unknown = _UNKNOWN.fullmatch(cause)
    if unknown:
        return (*keys, unknown["key"]), f"unknown key{_suggest(keys, unknown['key'])}"
    return keys, (cause[:1].lower() + cause[1:]).replace("`", "")


def _suggest(keys: tuple[str, ...], key: str) -> str:
    section: Any = Settings
    for part in keys:
        section = next((each.type for each in msgspec.structs.fields(section) if each.name == part), None)
        if not (isinstance(section, type) and issubclass(section, msgspec.Struct)):
            return ""
    names = [field.name for field in msgspec.structs.fields(section)]
    close = difflib.get_close_matches(key, names, 1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(names)}"


def _line(text: str, keys: tuple[str, ...]) -> int | None:
    """Return the number of the line that sets keys, or that opens its table; None when it is not found."""
    table: tuple[str, ...] = ()
    opened: int | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        header, key = _TABLE.fullmatch(line), _KEY.match(line)
        if header:
            table = _parts(header["name"])
            if table == keys[: len(table)]:
                opened = number
        elif key:
            named = (*table, *_parts(key["name"]))
            if named == keys[: len(named)]:
                return number
    return opened


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part.strip(" \"'") for part in name.split("."))

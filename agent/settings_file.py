"""Settings from TOML: agent.toml, then agent.d/*.toml beside it in the order of their names; later wins.

A table is merged key by key; any other value, arrays too, is replaced as a whole.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from .errors import SettingsError
from .settings import Settings

_SIZE_LIMIT = 1 << 20
_AT = re.compile(r"(?P<what>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<key>[^`]*)`")
_TABLE = re.compile(r"\s*\[\s*(?P<name>[^\[\]]+?)\s*\]\s*(?:#.*)?$")
_KEY = re.compile(r"\s*(?P<name>[A-Za-z0-9_\-.\"' ]+?)\s*=")


def load(path: Path, *, required: bool = False) -> Settings:
    """Return the settings of path and its drop-ins; an absent file means the defaults unless required.

    Raises:
        SettingsError: a file cannot be read, is no TOML, or has a wrong key or value; with file and line.
    """
    merged: dict[str, Any] = {}
    for file in files(path, required=required):
        text = _read(file)
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"{file}: not valid TOML: {error}") from error
        check(table, text, str(file))
        merge(merged, table)
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
        keys, cause = _explain(str(error), table)
        line = _line(text, keys)
        where = f"{name}:{line}" if line else name
        raise SettingsError(f"{where}: {'.'.join(keys) or 'the file'}: {cause}") from error


def effective(settings: Settings) -> dict[str, Any]:
    """Return settings as plain values, every default filled in."""
    plain: dict[str, Any] = msgspec.to_builtins(settings, enc_hook=str)
    return plain


def digest(settings: Settings) -> str:
    """Return the hex SHA-256 of the effective settings."""
    return hashlib.sha256(msgspec.json.encode(effective(settings), order="deterministic")).hexdigest()


def diff(before: dict[str, Any], after: dict[str, Any], prefix: str = "") -> tuple[str, ...]:
    """Return the dotted names of the values that differ between two effective settings, sorted."""
    changed: list[str] = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            changed += diff(old, new, f"{prefix}{key}.")
        elif old != new:
            changed.append(prefix + key)
    return tuple(changed)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the settings."""
    plain = [
        (field.name, str, str(field.default))
        if field.type is Path
        else (field.name, field.type, field.default)
        for field in msgspec.structs.fields(Settings)
    ]
    return msgspec.json.schema(msgspec.defstruct("Settings", plain, forbid_unknown_fields=True))


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


def merge(into: dict[str, Any], table: dict[str, Any]) -> None:
    """Put table on top of into: tables key by key, any other value as a whole."""
    for key, value in table.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


def _decode(wanted: type, value: Any) -> Any:
    if wanted is Path and isinstance(value, str):
        return Path(value)
    raise TypeError(f"Expected `str`, got `{_name(value)}`")


def _explain(message: str, table: dict[str, Any]) -> tuple[tuple[str, ...], str]:
    """Return the keys of what is wrong and the cause, in the words of a settings file."""
    match = _AT.match(message)
    what, path = (match["what"], match["path"] or "") if match else (message, "")
    keys = tuple(re.sub(r"\[[^\]]*\]", "", part) for part in path.split(".")[1:])
    unknown = _UNKNOWN.match(what)
    if unknown:
        return (*keys, unknown["key"]), f"unknown key{_suggest(keys, unknown['key'])}"
    if not what.startswith("Expected"):
        return keys, what
    if " >" in what or " <" in what:
        return keys, what[0].lower() + what[1:].replace("`", "")
    wanted = _wanted(keys)
    return keys, f"expected {wanted}, got {_name(_value(table, keys, wanted))}"


def _suggest(keys: tuple[str, ...], key: str) -> str:
    import difflib  # noqa: PLC0415 - what runs for months need not hold what only a wrong name needs

    section = _section(keys)
    names = [field.name for field in msgspec.structs.fields(section)] if section else []
    close = difflib.get_close_matches(key, names, 1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(names)}"


def _section(keys: tuple[str, ...]) -> type[msgspec.Struct] | None:
    section: Any = Settings
    for key in keys:
        section = next((f.type for f in msgspec.structs.fields(section) if f.name == key), None)
        if not (isinstance(section, type) and issubclass(section, msgspec.Struct)):
            return None
    return section if isinstance(section, type) else None


def _wanted(keys: tuple[str, ...]) -> str:
    parent = _section(keys[:-1])
    kind: Any = (
        next((f.type for f in msgspec.structs.fields(parent) if f.name == keys[-1]), None) if parent else None
    )
    kind = getattr(kind, "__origin__", kind) if hasattr(kind, "__metadata__") else kind
    names = {str: "string", Path: "string", int: "integer", float: "number", bool: "true or false"}
    if getattr(kind, "__origin__", None) is not tuple:
        return names.get(kind, "table")
    item = getattr(kind.__args__[0], "__origin__", kind.__args__[0])
    return {str: "array of strings", int: "array of integers"}.get(item, "array of pairs")


def _value(table: dict[str, Any], keys: tuple[str, ...], wanted: str) -> Any:
    value: Any = table
    for key in keys:
        value = value[key]
    if wanted == "array of strings" and isinstance(value, list):
        return next((item for item in value if not isinstance(item, str)), value)
    return value


def _name(value: Any) -> str:
    return {"str": "string", "list": "array", "dict": "table"}.get(type(value).__name__, type(value).__name__)


def _line(text: str, keys: tuple[str, ...]) -> int | None:
    """Return the number of the line that sets keys, or that opens its table; None when it is not found."""
    table: tuple[str, ...] = ()
    opened: int | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        header, key = _TABLE.match(line), _KEY.match(line)
        if header:
            table = _parts(header["name"])
            if table == keys[: len(table)] and table:
                opened = number
        elif key and (*table, *_parts(key["name"])) == keys[: len(table) + len(_parts(key["name"]))]:
            return number
    return opened


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in name.split("."))

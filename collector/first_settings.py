"""The first settings file: what `setup` was told, as TOML; one that is there is never rewritten."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import files, settings_file
from .errors import SettingsError
from .service_user import ServiceUser
from .settings import Listener, Settings

_LISTENER = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^:\[\]\s]+)):(?P<port>[0-9]{1,5})")
_LOCAL = ("localhost", "127.0.0.1")


@dataclass(frozen=True)
class Wanted:
    """What `setup` was told; None and empty leave the default."""

    state: Path | None = None
    origin: str | None = None
    names: Sequence[str] = ()
    ingest: Listener | None = None
    console: Listener | None = None


def listener(text: str) -> Listener:
    """Read ``HOST:PORT`` or ``[ADDRESS]:PORT``.

    Raises:
        ValueError: it is neither.
    """
    match = _LISTENER.fullmatch(text)
    if match is None or int(match["port"]) > 65_535:  # noqa: PLR2004 - the highest port there is
        raise ValueError(f"{text!r} is no HOST:PORT")
    return Listener(match["six"] or match["host"], int(match["port"]))


def settle(path: Path, wanted: Wanted) -> tuple[Settings, bytes | None]:
    """Return the settings in force, and what is to be written to path where no file is there yet.

    Raises:
        SettingsError: a file is wrong, or says something else than what is wanted.
    """
    text = _text(wanted)
    if path.exists():
        settings = settings_file.load(path)
        for name, given, found in _compared(wanted, settings):
            if given != found:
                raise SettingsError(
                    f"{path}: {name} is {found}, not {given}; change it there, or drop the option"
                )
        return settings, None
    return settings_file.load_with(path, text), text.encode()


def write(path: Path, raw: bytes, user: ServiceUser | None) -> None:
    """Write the first settings file; it holds no secret, and the service must be able to read it.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    files.write(path, raw, 0o640 if user else 0o644)
    if user is not None:
        os.chown(path, -1, user.gid)


def _text(wanted: Wanted) -> str:
    return "\n".join(
        [
            "# Written by `vedette-collector setup`; `vedette-collector config show` has all keys.",
            *_lines(wanted),
            "",
        ]
    )


def _lines(wanted: Wanted) -> Iterator[str]:
    if wanted.state is not None:
        yield f"state = {_quoted(str(wanted.state))}"
    origin = wanted.origin or (f"{wanted.names[0]}/log" if wanted.names else None)
    if origin is not None:
        yield "# The ledger's name in its checkpoints, for ever."
        yield f"origin = {_quoted(origin)}"
    if wanted.names:
        yield "\n[console]\n# What the server certificates are for."
        yield f"names = [{', '.join(_quoted(name) for name in _names(wanted))}]"
    for table, listen in (("console", wanted.console), ("ingest", wanted.ingest)):
        if listen is not None:
            yield f"\n[{table}.listen]\nhost = {_quoted(listen.host)}\nport = {listen.port}"


def _names(wanted: Wanted) -> tuple[str, ...]:
    """Return the names wanted, and those by which the machine itself reaches its console."""
    return (*dict.fromkeys((*wanted.names, *_LOCAL)),)


def _compared(wanted: Wanted, settings: Settings) -> Iterator[tuple[str, object, object]]:
    if wanted.state is not None:
        yield "state", wanted.state, settings.state
    if wanted.origin is not None:
        yield "origin", wanted.origin, settings.origin
    if wanted.names:
        missing = set(wanted.names) - set(settings.console.names)
        yield "console.names", sorted({*settings.console.names, *missing}), sorted(settings.console.names)
    if wanted.ingest is not None:
        yield "ingest.listen", _shown(wanted.ingest), _shown(settings.ingest.listen)
    if wanted.console is not None:
        yield "console.listen", _shown(wanted.console), _shown(settings.console.listen)


def _shown(listen: Listener) -> str:
    return f"{listen.host}:{listen.port}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)

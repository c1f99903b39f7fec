"""`restore`: a backup into an empty folder, as a new log whose first own entry names the old one."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

from evidence.checkpoint import parse_vkey

from .. import paths, service_user, settings_file
from ..author import author
from ..backup import restoring
from ..backup.restoring import NewLog
from ..command import FINE, Command, Invocation
from ..errors import BackupError
from ..first_settings import write

_LATER = (
    "What came after the backup is gone here, and hosts say what they know to be lost.",
    "Hosts that enrolled since must enrol again. Tokens, users and revocations are as they were then:",
    "look through `token list`, `user list` and `agents list`.",
)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="source", type=Path, required=True, metavar="FILE", help="the backup")
    parser.add_argument(
        "--origin", metavar="NAME", help="the new log's name; else the old one's with the time"
    )
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the ledger")


def _run(call: Invocation) -> int:
    by = author()
    with call.options.source.open("rb") as source:
        manifest, kept = restoring.look(source)
        texts = _settings(call.config, kept)
        settings = settings_file.of_texts(call.config, texts or _there(call.config))
        places = paths.of(settings)
        restoring.check_empty(places.root)
        user = service_user.of(places.root)
        for path, text in texts:
            write(path, text.encode(), user)
        if user is not None:
            service_user.become(user, places.root)
        origin = call.options.origin or _origin(parse_vkey(manifest.ledger_key).name)
        record = restoring.restore(source, places.root, NewLog(origin, by, call.options.reason))
    answer = {
        "state": str(places.root),
        "former": record.former,
        "ledger_key": record.ledger_key,
        "entries": manifest.size,
        "settings": [str(path) for path, _ in texts],
        "next": "systemctl start vedette-collector" if user else "vedette-collector serve",
    }
    lines = [
        f"{manifest.size} entries are restored in {places.root}; the store is made anew when it serves.",
        f"new log {origin}, key {record.ledger_key}",
        *_LATER,
        f"Next: `{answer['next']}`.",
    ]
    call.terminal.answer(answer, "\n".join(lines))
    return FINE


def _settings(config: Path, kept: dict[str, bytes]) -> list[tuple[Path, str]]:
    """Return the backup's settings files where there are none here; those that are there hold.

    Raises:
        BackupError: they are no text.
    """
    if settings_file.files(config):
        return []
    folder = config.parent / f"{config.stem}.d"
    try:
        return [
            (config if name == "collector.toml" else folder / Path(name).name, raw.decode())
            for name, raw in sorted(kept.items(), key=lambda item: (item[0] != "collector.toml", item[0]))
        ]
    except UnicodeDecodeError as error:
        raise BackupError(f"backup: settings: not UTF-8: {error}") from error


def _there(config: Path) -> list[tuple[Path, str]]:
    return [(path, path.read_text("utf-8")) for path in settings_file.files(config)]


def _origin(former: str) -> str:
    """Return a name for the new log that no log of this collector had."""
    return f"{former.partition('/restored-')[0]}/restored-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"


COMMAND = Command("restore", "a backup into an empty folder, as a new log", _run, _arguments)

"""Under which name the ledger signs its checkpoints: the settings' origin, or what a restore called it."""

from __future__ import annotations

import msgspec

from evidence.statement import Count

from .. import files
from ..errors import NotSetUp
from ..paths import Paths
from ..settings import Settings


class LogName(msgspec.Struct, frozen=True):
    """The name, and the entries at which the log goes on from another one."""

    origin: str
    joins: tuple[Count, ...] = ()


def read(paths: Paths, settings: Settings) -> LogName:
    """Return the name of the ledger in paths.

    Raises:
        NotSetUp: what a restore left cannot be read.
    """
    try:
        return msgspec.json.decode(paths.log_name.read_bytes(), type=LogName)
    except FileNotFoundError:
        return LogName(settings.origin)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotSetUp(f"{paths.log_name}: {error}; restore it from a backup") from error


def joins(paths: Paths) -> tuple[int, ...]:
    """Return the entries at which the ledger in paths goes on from another.

    Raises:
        NotSetUp: as `read`.
    """
    return read(paths, Settings()).joins


def write(paths: Paths, name: LogName) -> None:
    """Keep the name that a restore gave."""
    files.write(paths.log_name, msgspec.json.encode(name))

"""One file of the site's own detections: executed, and its rule checked. The file is trusted code.

It runs with the rights of the process that reads it; whoever may write it may do all that the collector may.
So a file, and the folder it is in, must belong to root or to the collector, and nobody else may write them.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import types
from collections.abc import Callable
from pathlib import Path

from ..engine import Engine
from ..errors import SettingsError
from ..rule import Detection
from .playing import broken_example

LIMIT = 256 << 10
"""Bytes of one file."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}\.py")
_ID = re.compile(r"[a-z][a-z0-9-]{0,62}")
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_PACKAGE = "vedette_site_"
"""Modules of the site are named so, away from all others."""


def trust(path: Path) -> None:
    """Refuse what others than root or this process's user could have written.

    Raises:
        SettingsError: path is of another user, or writable for others.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    if status.st_uid not in {0, os.geteuid()}:
        raise SettingsError(f"{path}: belongs to user {status.st_uid}; it must be root's or the collector's")
    if status.st_mode & _OTHERS_WRITE:
        raise SettingsError(f"{path}: others may write it; `chmod go-w` it")


def content(path: Path) -> bytes:
    """Return the bytes of a file that may be trusted.

    Raises:
        SettingsError: it is not to be trusted, cannot be read, is too large or is named otherwise.
    """
    if not _NAME.fullmatch(path.name):
        raise SettingsError(f"{path}: name it in small letters, digits and _, ending in .py")
    trust(path)
    try:
        with path.open("rb") as opened:
            data = opened.read(LIMIT + 1)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    if len(data) > LIMIT:
        raise SettingsError(f"{path}: more than {LIMIT} bytes")
    return data


def execute(path: Path, data: bytes) -> Detection:
    """Return the rule that a file sets as DETECTION.

    Raises:
        SettingsError: it fails, or sets none, or one that is not complete.
    """
    module = types.ModuleType(_PACKAGE + path.stem)
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # msgspec and dataclasses look types up there
    try:
        exec(compile(data, str(path), "exec"), module.__dict__)  # noqa: S102 - the operator's own, see above
    except (Exception, SystemExit) as error:
        raise SettingsError(f"{path}: fails when it is read: {type(error).__name__}: {error}") from error
    rule = getattr(module, "DETECTION", None)
    if not isinstance(rule, Detection):
        raise SettingsError(f"{path}: sets no DETECTION that is a collector.rule.Detection")
    _check(path, rule)
    return rule


def _check(path: Path, rule: Detection) -> None:
    if not _ID.fullmatch(str(rule.id)):
        raise SettingsError(f"{path}: id: small letters, digits and -, at most 63")
    if not rule.kinds:
        raise SettingsError(f"{path}: {rule.id}: kinds: name the kinds of events it is to be shown")
    if not rule.hits or not rule.misses:
        raise SettingsError(f"{path}: {rule.id}: give at least one example in hits and one in misses")


def tried(path: Path, data: bytes, fresh: Callable[[Detection], Engine]) -> str | None:
    """Return what is wrong with a file, its examples included; None where nothing is.

    fresh makes an engine that has seen nothing, with this rule.
    """
    try:
        rule = execute(path, data)
        wrong = broken_example(rule, lambda: fresh(rule))
    except SettingsError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - examples are the site's code too
        return f"{path}: an example fails: {type(error).__name__}: {error}"
    return None if wrong is None else f"{path}: {rule.id}: {wrong}"

"""The folder of the site's own detections: which of its files hold, tried once for each content.

A file that fails, or does not keep its examples, is left out and named: it costs no other rule, and as it is
tried in a process of its own, not the pipeline either.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from evidence.kinds.collector import Act

from .. import files, paths
from ..errors import CollectorError, SettingsError
from ..rule import Detection
from ..rules import rule_folders
from ..sandbox.disposable import converse
from ..settings import Settings
from ..version import VERSION
from . import site_file
from .rules_watch import LOOK_SECONDS, Reading, RulesWatch
from .site_worker import SECONDS, Task, Verdict

FILES = 200
"""Of one folder."""
VERB = "detections.read"
_ANSWER_LIMIT = 1 << 20
_WRONG_LIMIT = 2000
"""Characters of what is said of one file."""
_log = logging.getLogger(__name__)
Rules = tuple[Detection, ...]


class Tried(msgspec.Struct, frozen=True):
    """A file and what is wrong with it; rule is None where anything is."""

    path: Path
    digest: str
    rule: Detection | None = None
    wrong: str | None = None


class _Kept(msgspec.Struct, frozen=True):
    """By digest of a file what was wrong with it, None for nothing, as this version found."""

    version: str
    verdicts: dict[str, str | None] = {}


class SiteFolder:
    """Implements `rules_watch.Source`. kept is the file that remembers verdicts, None for nowhere."""

    verb = VERB

    def __init__(self, folder: Path, kept: Path | None = None) -> None:
        self.folder, self._kept = folder, kept

    def paths(self) -> list[Path]:
        """Return the files, in order; what begins with a dot or _ is none.

        Raises:
            SettingsError: the folder is not there, not to be trusted, or holds too many.
        """
        if not self.folder.is_dir():
            raise SettingsError(f"{self.folder}: no folder of detections is there")
        site_file.trust(self.folder)
        found = sorted(path for path in self.folder.glob("*.py") if path.name[0] not in "._")
        if len(found) > FILES:
            raise SettingsError(f"{self.folder}: {len(found)} files of detections, more than {FILES}")
        return found

    def read(self) -> Reading[Rules]:
        """Return the rules that hold; each file that is new is tried first.

        Raises:
            SettingsError: as for `paths`.
        """
        found = self.tried()
        faults = tuple(one.wrong for one in found if one.wrong is not None)
        rules = _rules(found)
        counts = {"rules": str(len(rules)), "left out": str(len(faults))}
        whole = msgspec.json.encode([(one.path.name, one.digest) for one in found])
        return Reading(rules, hashlib.sha256(whole).hexdigest(), counts, faults)

    def tried(self) -> list[Tried]:
        """Return each file with its rule, or with what is wrong.

        Raises:
            SettingsError: as for `paths`.
        """
        known = self._verdicts()
        verdicts: dict[str, str | None] = {}
        found = [_tried(path, {**known, **verdicts}, verdicts, _try) for path in self.paths()]
        if verdicts != known:
            self._keep(verdicts)
        return _without_doubles(found)

    def known(self) -> list[Tried]:
        """Return each file by what was found before; tries none, and is for other processes.

        Raises:
            SettingsError: as for `paths`.
        """
        known = self._verdicts()
        return _without_doubles([_tried(path, known, {}, _unknown) for path in self.paths()])

    def _verdicts(self) -> dict[str, str | None]:
        if self._kept is None:
            return {}
        try:
            kept = msgspec.json.decode(self._kept.read_bytes(), type=_Kept)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return {}
        return kept.verdicts if kept.version == VERSION else {}

    def _keep(self, verdicts: dict[str, str | None]) -> None:
        if self._kept is None:
            return
        try:
            files.write(self._kept, msgspec.json.encode(_Kept(VERSION, verdicts)))
        except OSError as error:
            _log.warning("%s: %s; detections are tried again at the next start", self._kept, error.strerror)


def _tried(
    path: Path,
    known: dict[str, str | None],
    verdicts: dict[str, str | None],
    attempt: Callable[[Path, bytes], str | None],
) -> Tried:
    """Return a file by what is known of its content, else by an attempt; notes the verdict."""
    digest = ""
    try:
        data = site_file.content(path)
        digest = hashlib.sha256(data).hexdigest()
        wrong = known[digest] if digest in known else attempt(path, data)
        verdicts[digest] = wrong
        if wrong is not None:
            return Tried(path, digest, wrong=wrong)
        return Tried(path, digest, site_file.execute(path, data))
    except SettingsError as error:
        return Tried(path, digest, wrong=str(error))


def _try(path: Path, data: bytes) -> str | None:
    """Return what is wrong with a file, found in a process of its own."""
    try:
        task = msgspec.json.encode(Task(str(path), data))
        said = converse("rule_sources.site_worker", task, SECONDS + 10, _ANSWER_LIMIT)
        if said.late:
            return f"{path}: its examples took longer than {SECONDS:g} s"
        wrong = msgspec.json.decode(said.raw, type=Verdict).wrong
    except (CollectorError, msgspec.DecodeError, UnicodeDecodeError):
        return f"{path}: the process that tried its examples ended without an answer"
    return None if wrong is None else wrong[:_WRONG_LIMIT]


def _unknown(path: Path, _data: bytes) -> str | None:
    return f"{path}: not tried yet"


def _without_doubles(found: Sequence[Tried]) -> list[Tried]:
    """Return the files, those left out whose rule has the name of another."""
    own = {rule.id for rule in rule_folders.tunable()}
    seen: dict[str, Path] = {}
    kept: list[Tried] = []
    for one in found:
        if one.rule is not None:
            name = one.rule.id
            other = "a rule of Vedette's own" if name in own else seen.get(name)
            if other is not None:
                wrong = f"{one.path}: {name}: {other} has this id already"
                kept.append(Tried(one.path, one.digest, wrong=wrong))
                continue
            seen[name] = one.path
        kept.append(one)
    return kept


def _rules(found: Iterable[Tried]) -> Rules:
    return tuple(one.rule for one in found if one.rule is not None)


def watch(
    settings: Settings, record: Callable[[Act], object], *, look_seconds: float = LOOK_SECONDS
) -> RulesWatch[Rules]:
    """Return what follows the folder that the settings name; none named, no rules."""
    places = paths.of(settings)
    return RulesWatch(_folder(settings), (), places.site_recorded, record, look_seconds=look_seconds)


def in_force(settings: Settings) -> Rules:
    """Return the rules that the pipeline accepted, for other processes; none where it cannot be read."""
    folder = _folder(settings)
    try:
        return _rules(folder.known()) if folder is not None else ()
    except SettingsError as error:
        _log.warning("%s", error)
        return ()


def file_of(settings: Settings, rule: str) -> Path | None:
    """Return the file that holds a rule of the site, None where it is none of those in force."""
    folder = _folder(settings)
    try:
        known = folder.known() if folder is not None else []
    except SettingsError:
        return None
    return next((one.path for one in known if one.rule is not None and one.rule.id == rule), None)


def _folder(settings: Settings) -> SiteFolder | None:
    folder = settings.detection.python
    return SiteFolder(folder, paths.of(settings).site) if folder is not None else None

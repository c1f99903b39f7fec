"""What became of a file: its state now against the baseline's, as one event or none.

No event if content and metadata are equal (R30): of a new mtime or inode alone the baseline just learns.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator
from typing import Protocol

import msgspec
from msgspec.structs import replace

from evidence.kind import Actor, Body
from evidence.kinds.file import Attributes, Change, Create, Delete, Explanation, FileState, Rename
from evidence.text import to_text

from ..kernel.file_state import Looked, Wanted, quick_state, read_regular, read_state
from ..kernel.no_follow import exists, open_folder
from .baseline import Baseline, Known, glimpse
from .diff import changed_lines, keeps_content, kept_form

_KEY = "shadow key"
_GONE = 100_000
_LINKS = 16
_LEARNED = 8_192
"""Files that were learned in silence and are remembered: seconds of a scan, a third of one at full speed."""


class Explainer(Protocol):
    """Which package accounts for a file."""

    def explain(
        self, path: bytes, md5: str | None, sha256: str | None, actor: Actor | None, *, gone: bool = False
    ) -> Explanation | None:
        """Return the package that owns path, or of a file that is gone owned it; None when none does."""
        ...


class Sight(msgspec.Struct, frozen=True):
    """How a path came to be looked at: found is ``live`` or ``scan``; quiet: learn it, it is no event.

    appeared: its name is new, whatever a silent scan learned of it a moment before. unlearned: the first scan
    of its tree goes on, so what is not known need not be new. absent: nothing was there a moment ago. missed:
    something was there before, and was never looked at. former is the name in the trees that a rename was
    told to come from. The rest is as in the file kinds.
    """

    found: str
    actor: Actor | None = None
    quiet: bool = False
    appeared: bool = False
    unlearned: bool = False
    absent: bool = False
    missed: bool = False
    late: bool = False
    container_path: str | None = None
    former: bytes | None = None
    moved_from: bytes | None = None
    moved_to: bytes | None = None


class Place(msgspec.Struct, frozen=True):
    """Where a file is: the path, and a descriptor of its folder, as name in which it is looked at."""

    path: bytes
    folder: int
    name: bytes


class FileHistory:
    """The baseline, and the events that bring it up to date; raises sqlite3.Error as the baseline does."""

    def __init__(self, baseline: Baseline, explainer: Explainer, hash_limit: int) -> None:
        self._baseline = baseline
        self._explainer = explainer
        self._hash_limit = hash_limit
        self._learned: deque[int] = deque(maxlen=_LEARNED)
        self._key = baseline.fact(_KEY) or os.urandom(32)
        baseline.set_fact(_KEY, self._key)

    def look(self, path: bytes, sight: Sight) -> Generator[int | Body, None, Looked | None]:
        """Compare path with the baseline in steps; yield bytes read and events; return what is there now."""
        above, name = os.path.split(path)
        if sight.absent and self._baseline.get(path) is None:
            if sight.unlearned or sight.missed:
                yield self._finish(Delete(path=""), path, None, sight)
            return None  # else it came and went between two looks
        try:
            folder = open_folder(above)
        except OSError:  # it is gone, or a link leads there by now, which is no way into the tree
            return (yield from self.compare(Place(path, -1, name), sight))
        try:
            return (yield from self.compare(Place(path, folder, name or b"."), sight))
        finally:
            os.close(folder)

    def compare(self, place: Place, sight: Sight) -> Generator[int | Body, None, Looked | None]:
        """Do as `look` in a folder that is open; a folder of -1 is gone."""
        path = place.path
        known = self._baseline.get(path)
        now = quick_state(place.folder, place.name) if place.folder >= 0 else None
        if now is None:
            if known is not None:
                yield from self._gone(path, known, sight)
            return None
        if known is not None and glimpse(known.state, known.ctime) == glimpse(now.state, now.ctime):
            if not self._is_untold(path, sight):
                return now
            known = None
        wanted = Wanted(self._hash_limit, keep=keeps_content(path), md5=not sight.quiet)
        looked = yield from read_state(place.folder, place.name, wanted)
        if looked is None:
            return None  # it went while it was read; that is told by an event of its own
        content = kept_form(path, looked.content, self._key) if looked.content is not None else None
        former = self._former(path, looked, sight) if known is None else None
        if known is not None and known.state.type == "dir" and looked.state.type != "dir":
            yield from self._gone(path, known, sight)  # with all that was below
            known = None
        self._baseline.put(path, Known(looked.state, looked.ctime, content))
        if former is not None:
            self._moved(former, path, looked)
        if sight.quiet:
            self._learned.append(hash(path))
        else:
            body = _told(_compare(path, known, looked.state, content, former), sight)
            if body is not None:
                yield self._finish(body, path, looked, sight)
        return looked

    def learn(self, folder: int, above: bytes, name: bytes) -> Generator[int, None, Looked | None]:
        """Take what surely was a regular file, and is not known, into the baseline without an event."""
        path = above.rstrip(b"/") + b"/" + name
        wanted = Wanted(self._hash_limit, keep=keeps_content(path))
        looked = yield from read_regular(folder, name, wanted)
        if looked is not None:
            content = kept_form(path, looked.content, self._key) if looked.content is not None else None
            self._baseline.learn(above, name, Known(looked.state, looked.ctime, content))
            self._learned.append(hash(path))
        return looked

    def _is_untold(self, path: bytes, sight: Sight) -> bool:
        """Return whether path appeared, and a silent scan came across it before that was told; once."""
        if not sight.appeared or hash(path) not in self._learned:
            return False
        self._learned.remove(hash(path))
        return True

    def _moved(self, former: bytes, path: bytes, looked: Looked) -> None:
        self._baseline.remove(former)
        if looked.state.type == "dir":
            self._baseline.move(former, path)

    def _gone(self, path: bytes, known: Known, sight: Sight) -> Generator[int | Body, None, None]:
        """Tell that path is gone, and what was in it with it."""
        below = self._baseline.under(path, _GONE) if known.state.type == "dir" else []
        for child in below:
            found = self._baseline.get(child)
            self._baseline.remove(child)
            if found is not None and not sight.quiet:
                yield self._finish(Delete(path="", before=found.state), child, None, sight)
        self._baseline.remove(path)
        if not sight.quiet:
            yield self._finish(Delete(path="", before=known.state), path, None, sight)

    def _former(self, path: bytes, looked: Looked, sight: Sight) -> bytes | None:
        """Return the name that the same file had until now, if it was renamed: as told, or by its inode."""
        told = sight.former
        if told is not None and self._baseline.get(told) is not None and not exists(told):
            return told
        if looked.state.inode is None or sight.quiet:
            return None
        for other in self._baseline.of_inode(looked.state.inode, _LINKS):
            known = self._baseline.get(other)
            if (
                other != path
                and known is not None
                and (known.state.type, known.state.size, known.state.sha256)
                == (looked.state.type, looked.state.size, looked.state.sha256)
                and not exists(other)
            ):
                return other
        return None

    def _finish(self, body: Body, path: bytes, looked: Looked | None, sight: Sight) -> Body:
        """Fill in what all file events share, and the other name where one is known."""
        text, escaped = to_text(path)
        state = looked.state if looked is not None else None
        md5 = looked.md5 if looked is not None else None
        sha256 = state.sha256 if state is not None else None
        explained = self._explainer.explain(path, md5, sha256, sight.actor, gone=looked is None)
        names = ("path", *body.escaped) if escaped else body.escaped
        other: dict[str, str] = {}
        moves = ((Create, "moved_from", sight.moved_from), (Delete, "moved_to", sight.moved_to))
        for kind, field, raw in moves:
            if raw is not None and isinstance(body, kind):
                other[field], escaped = to_text(raw)
                names = (*names, field) if escaped else names
        return replace(
            body,
            path=text,
            escaped=names,
            actor=sight.actor,
            explained_by=explained,
            found=sight.found,
            late=sight.late,
            container_path=sight.container_path,
            **other,
        )


def _told(body: Body | None, sight: Sight) -> Body | None:
    """Call a change what were a creation had its tree been learned before; a folder is then no event."""
    if not sight.unlearned or not isinstance(body, Create):
        return body
    is_folder = body.after is not None and body.after.type == "dir"
    return None if is_folder else Change(path="", after=body.after)


def _compare(
    path: bytes, known: Known | None, now: FileState, content: bytes | None, former: bytes | None
) -> Body | None:
    if former is not None:
        text, escaped = to_text(former)
        return Rename(path="", former=text, after=now, escaped=("former",) if escaped else ())
    if known is None:
        return Create(path="", after=now)
    before = known.state
    if (before.type, before.size, before.sha256, before.target) != (
        now.type,
        now.size,
        now.sha256,
        now.target,
    ):
        return _change(path, known, now, content)
    if _attributes(before) != _attributes(now):
        return Attributes(path="", before=before, after=now)
    return None


def _attributes(state: FileState) -> tuple[object, ...]:
    return state.mode, state.uid, state.gid, state.xattrs, state.capabilities


def _change(path: bytes, known: Known, now: FileState, content: bytes | None) -> Change:
    if known.content is None or content is None:
        return Change(path="", before=known.state, after=now)
    added, removed = changed_lines(path, known.content, content)
    plain = [[to_text(line) for line in lines] for lines in (added, removed)]
    escaped = tuple(
        name
        for name, lines in zip(("added", "removed"), plain, strict=True)
        if any(flag for _, flag in lines)
    )
    texts = [
        tuple(text if flag or name not in escaped else text.replace("\\", "\\\\") for text, flag in lines)
        for name, lines in zip(("added", "removed"), plain, strict=True)
    ]
    return Change(path="", before=known.state, after=now, added=texts[0], removed=texts[1], escaped=escaped)

"""What became of a file: its state now against the baseline's, as one event or none.

No event if content and metadata are equal (R30): of a new mtime or inode alone the baseline just learns.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Protocol

import msgspec
from msgspec.structs import replace

from evidence.kind import Actor, Body
from evidence.kinds.file import Attributes, Change, Create, Delete, Explanation, FileState, Rename
from evidence.text import to_text

from .baseline import Baseline, Known
from .diff import changed_lines, keeps_content, kept_form
from .kernel.file_state import Looked, quick_state, read_state

_KEY = "shadow key"
_GONE = 100_000
_LINKS = 16


class Explainer(Protocol):
    """Which package accounts for a file."""

    def explain(
        self, path: bytes, md5: str | None, sha256: str | None, actor: Actor | None
    ) -> Explanation | None:
        """Return the package that owns path, None when none does."""
        ...


class Sight(msgspec.Struct, frozen=True):
    """How a path came to be looked at: found is ``live`` or ``scan``; quiet: learn it, it is no event."""

    found: str
    actor: Actor | None = None
    quiet: bool = False


class FileHistory:
    """The baseline, and the events that bring it up to date; raises sqlite3.Error as the baseline does."""

    def __init__(self, baseline: Baseline, explainer: Explainer, hash_limit: int) -> None:
        self._baseline = baseline
        self._explainer = explainer
        self._hash_limit = hash_limit
        self._key = baseline.fact(_KEY) or os.urandom(32)
        baseline.set_fact(_KEY, self._key)

    def look(self, path: bytes, sight: Sight) -> Generator[int | Body, None, FileState | None]:
        """Compare path with the baseline in steps; yield bytes read and events; return its state now."""
        known = self._baseline.get(path)
        now = quick_state(path)
        if now is None:
            if known is not None:
                yield from self._gone(path, known, sight)
            return None
        if known is not None and known.ctime == now.ctime and _same_place(known.state, now.state):
            return known.state
        looked = yield from read_state(path, hash_limit=self._hash_limit, keep=keeps_content(path))
        if looked is None:
            return None  # it went while it was read; that is told by an event of its own
        content = kept_form(path, looked.content, self._key) if looked.content is not None else None
        former = self._former(path, looked) if known is None else None
        self._baseline.put(path, Known(looked.state, looked.ctime, content))
        if former is not None:
            self._baseline.remove(former)
            if looked.state.type == "dir":
                self._baseline.move(former, path)
        if not sight.quiet:
            body = _compare(path, known, looked.state, content, former)
            if body is not None:
                yield self._finish(body, path, looked, sight)
        return looked.state

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

    def _former(self, path: bytes, looked: Looked) -> bytes | None:
        """Return the name that the same file had until now, if it was renamed."""
        if looked.state.inode is None:
            return None
        for other in self._baseline.of_inode(looked.state.inode, _LINKS):
            known = self._baseline.get(other)
            if (
                other != path
                and known is not None
                and (known.state.type, known.state.size, known.state.sha256)
                == (looked.state.type, looked.state.size, looked.state.sha256)
                and quick_state(other) is None
            ):
                return other
        return None

    def _finish(self, body: Body, path: bytes, looked: Looked | None, sight: Sight) -> Body:
        """Fill in what all file events share."""
        text, escaped = to_text(path)
        state = looked.state if looked is not None else None
        md5 = looked.md5 if looked is not None else None
        explained = self._explainer.explain(path, md5, state.sha256 if state else None, sight.actor)
        names = ("path", *body.escaped) if escaped else body.escaped
        return replace(
            body, path=text, escaped=names, actor=sight.actor, explained_by=explained, found=sight.found
        )


def _same_place(known: FileState, now: FileState) -> bool:
    """Whether an lstat shows the same file; together with an equal ctime its content is the same too."""
    return (known.inode, known.size, known.mtime) == (now.inode, now.size, now.mtime)


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

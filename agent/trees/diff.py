"""Which lines of a configuration file came and went; for the shadow files only whose lines. Pure and bounded.

Content is kept only for the files named here (design, section 4): authorized keys, sudoers, cron, systemd
units, passwd and group. Of shadow and gshadow a keyed digest of each user's line is kept, never the line.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter

LINES = 200
LINE_BYTES = 1024

_PLAIN = re.compile(
    rb"/authorized_keys2?$|/etc/sudoers$|/etc/sudoers\.d/[^/]+$|/etc/(ana)?crontab$"
    rb"|/etc/cron\.(d|hourly|daily|weekly|monthly)/[^/]+$|/var/spool/cron/"
    rb"|/systemd/(system|user)/.+\.(service|timer|socket|path|mount|conf)$|/etc/(passwd|group)$"
)
_SECRET = re.compile(rb"/etc/g?shadow$")


def keeps_content(path: bytes) -> bool:
    """Return whether something of path's content is kept, to tell its lines apart later."""
    return bool(_PLAIN.search(path) or _SECRET.search(path))


def kept_form(path: bytes, content: bytes, key: bytes) -> bytes:
    """Return what is kept of content: itself, or for the shadow files a keyed digest of each user's line."""
    if not _SECRET.search(path):
        return content
    return b"\n".join(_digest(line, key) for line in content.splitlines())


def changed_lines(path: bytes, before: bytes, after: bytes) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Return (added, removed) lines of two kept forms, for shadow the users whose line was changed."""
    had, has = Counter(before.splitlines()), Counter(after.splitlines())
    added, removed = has - had, had - has
    if _SECRET.search(path):
        return _users(added), _users(removed)
    return _bounded(added), _bounded(removed)


def _digest(line: bytes, key: bytes) -> bytes:
    user = line.split(b":", 1)[0]
    return user + b":" + hashlib.blake2b(line, key=key, digest_size=16).hexdigest().encode()


def _users(lines: Counter[bytes]) -> tuple[bytes, ...]:
    return _bounded(Counter(line.split(b":", 1)[0] for line in lines))


def _bounded(lines: Counter[bytes]) -> tuple[bytes, ...]:
    return tuple(line[:LINE_BYTES] for line in list(lines.elements())[:LINES])

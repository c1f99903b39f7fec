"""/proc/self/mountinfo (proc(5)): where reading may wait for a network or for a program."""

from __future__ import annotations

import re

_REMOTE = re.compile(rb"(?:nfs\d?|cifs|smb\d?|smbfs|9p|afs|ceph|glusterfs|lustre|autofs|fuse(?:\..+)?|ncpfs)")
_OCTAL = re.compile(rb"\\([0-7]{3})")
_FIELDS = 10


def slow_mounts(raw: bytes) -> tuple[bytes, ...]:
    """Return the mount points of network file systems, autofs and fuse."""
    found: dict[bytes, None] = {}
    for line in raw.splitlines():
        fields = line.split(b" ")
        if len(fields) < _FIELDS or b"-" not in fields:
            continue
        kind = fields[fields.index(b"-") + 1 :][:1]
        if kind and _REMOTE.fullmatch(kind[0]):
            found[_OCTAL.sub(lambda match: bytes([int(match[1], 8) & 255]), fields[4])] = None
    return tuple(found)

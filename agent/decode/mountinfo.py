"""Where a path of one mount namespace is in another, by both mountinfo files (proc(5))."""

from __future__ import annotations

import re

import msgspec

LINES = 4096
"""Mounts of one namespace that are read."""

_ESCAPE = re.compile(rb"\\([0-7]{3})")
_FIELDS = 6
_LAYERS = 128
"""Layers of an overlay that are looked at: docker makes no more."""


class Mount(msgspec.Struct, frozen=True):
    """A mount: device, the part of its filesystem that is shown, where; an overlay's folders, upper first."""

    device: bytes
    root: bytes
    point: bytes
    upper: bytes | None = None
    lower: tuple[bytes, ...] = ()


def parse_mountinfo(raw: bytes) -> tuple[Mount, ...]:
    """Return the mounts in the order of the file; lines of another form are left out."""
    found = (_mount(line) for line in raw.split(b"\n", LINES)[:LINES])
    return tuple(mount for mount in found if mount is not None)


def container_path(path: bytes, host: tuple[Mount, ...], inside: tuple[Mount, ...]) -> bytes | None:
    """Return the path by which the namespace `inside` shows the host's path; None when it does not show it.

    It shows it through a mount of the same filesystem (a volume), or through an overlay whose upper folder
    holds it: what a container writes to its own root.
    """
    own = _holding(path, host)
    on_device = None if own is None else own.root.rstrip(b"/") + b"/" + _rest(path, own.point)
    best: Mount | None = None
    shown: bytes | None = None
    for mount in inside:
        for base, there in ((mount.upper, path), (mount.root, on_device)):
            if base is None or there is None or not _is_within(there, base):
                continue
            if base is mount.root and (own is None or mount.device != own.device):
                continue
            if best is None or len(base) >= len(best.upper or best.root):
                best, shown = mount, _join(mount.point, _rest(there, base))
    return shown


def host_paths(path: bytes, host: tuple[Mount, ...], inside: tuple[Mount, ...]) -> tuple[bytes, ...]:
    """Return where the host may have what the namespace `inside` shows at path, the likeliest first.

    On an overlay that is in one of its layers, of which the first that has it counts; else where the host
    shows the same filesystem.
    """
    mount = _holding(path, inside)
    if mount is None:
        return ()
    rest = _rest(path, mount.point)
    layers = ([] if mount.upper is None else [mount.upper], mount.lower)
    found = [_join(layer, rest) for folders in layers for layer in folders if layer.startswith(b"/")]
    there = _join(mount.root, rest)
    shown = [one for one in host if one.device == mount.device and _is_within(there, one.root)]
    if found or not shown:
        return tuple(found[:_LAYERS])
    best = max(shown, key=lambda one: len(one.root))
    return (_join(best.point, _rest(there, best.root)),)


def _mount(line: bytes) -> Mount | None:
    head, _, tail = line.partition(b" - ")
    fields, last = head.split(b" "), tail.split(b" ")
    if len(fields) < _FIELDS or len(last) < len(("type", "source", "options")):
        return None
    upper, lower = _layers(last[2]) if last[0] == b"overlay" else (None, ())
    return Mount(fields[2], _plain(fields[3]), _plain(fields[4]), upper, lower)


def _layers(options: bytes) -> tuple[bytes | None, tuple[bytes, ...]]:
    """Return the upper folder and the lower ones of an overlay's options (kernel, overlayfs.rst)."""
    upper: bytes | None = None
    lower: list[bytes] = []
    for option in options.split(b","):
        name, _, value = option.partition(b"=")
        if name == b"upperdir":
            upper = _plain(value)
        elif name == b"lowerdir":
            lower += [_plain(folder) for folder in value.split(b":") if folder]
        elif name == b"lowerdir+":
            lower.append(_plain(value))
    return upper, tuple(lower[:_LAYERS])


def _plain(field: bytes) -> bytes:
    """Blanks and backslashes are written in octal."""
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 8) & 0xFF]), field)


def _holding(path: bytes, mounts: tuple[Mount, ...]) -> Mount | None:
    """Return the mount that path is on: the deepest, of equal ones the last."""
    best: Mount | None = None
    for mount in mounts:
        if _is_within(path, mount.point) and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def _is_within(path: bytes, folder: bytes) -> bool:
    return path == folder or path.startswith(folder.rstrip(b"/") + b"/")


def _rest(path: bytes, folder: bytes) -> bytes:
    return path[len(folder.rstrip(b"/")) :].lstrip(b"/")


def _join(folder: bytes, rest: bytes) -> bytes:
    return folder.rstrip(b"/") + b"/" + rest if rest else folder

"""Facts that tell one machine from its clone, read from local files only; the network is never asked."""

from __future__ import annotations

import os
import re
import shlex
import socket
from pathlib import Path

from evidence.enrolment import Facts

from .version import VERSION

_LIMIT = 64
_READ = 65_536
_INSTANCE = (
    ("cloud-init", Path("var/lib/cloud/data/instance-id")),
    ("dmi", Path("sys/class/dmi/id/product_uuid")),
)
_PLAIN = re.compile(r"[^\x20-\x7e]")


def read(root: Path = Path("/")) -> Facts:
    """Return this machine's facts; what cannot be read is None, or ``unknown`` where a field is needed."""
    return Facts(
        machine_id=_first_line(root / "etc/machine-id") or "unknown",
        boot_id=_first_line(root / "proc/sys/kernel/random/boot_id") or "unknown",
        host=_short(socket.gethostname()) or "unknown",
        instance_id=instance_id(root),
        os=_short(os_name(_text(root / "etc/os-release"))),
        kernel=_short(os.uname().release),
        version=VERSION,
    )


def instance_id(root: Path = Path("/")) -> str | None:
    """Return ``<source>:<id>`` of the cloud instance or the board; None where no source can be read."""
    for source, path in _INSTANCE:
        found = _first_line(root / path)
        if found is not None:
            return _short(f"{source}:{found.lower()}")
    return None


def os_name(release: str) -> str | None:
    """Return PRETTY_NAME of an os-release file (os-release(5)), None if it has none."""
    for line in release.splitlines():
        key, separator, value = line.partition("=")
        if separator and key.strip() == "PRETTY_NAME":
            try:
                words = shlex.split(value)
            except ValueError:
                return None
            return words[0] if words else None
    return None


def moved(enrolled: Facts, now: Facts) -> str | None:
    """Return how this machine differs from the one that was enrolled, None if it is the same.

    An id that cannot be read now, or that comes from another source, says nothing.
    """
    if "unknown" not in (enrolled.machine_id, now.machine_id) and enrolled.machine_id != now.machine_id:
        return f"machine-id is {now.machine_id}, enrolled was {enrolled.machine_id}"
    before, after = enrolled.instance_id, now.instance_id
    if before and after and before != after and before.partition(":")[0] == after.partition(":")[0]:
        return f"instance id is {after}, enrolled was {before}"
    return None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_READ).decode("utf-8", "replace")
    except OSError:
        return ""


def _first_line(path: Path) -> str | None:
    line = _text(path).partition("\n")[0].strip()
    return _short(line)


def _short(text: str | None) -> str | None:
    """Return text as a statement's Short: printable ASCII, at most 64 characters; None if nothing is left."""
    return _PLAIN.sub("", text or "")[:_LIMIT] or None

"""Which environment variables may leave the host: names, and beginnings of names marked by a star. Pure."""

from __future__ import annotations

from collections.abc import Iterable

PREFIXES = 16
"""Beginnings with which the kernel compares each variable's name (WANTED of kernel/bpf/exec.bpf.c)."""
_LONGEST = 4


class EnvironmentNames:
    """The allow-list; `in` tells whether a name is on it."""

    def __init__(self, names: Iterable[str]) -> None:
        """Take names such as SSH_CONNECTION and LD_*."""
        listed = frozenset(names)
        self._exact = frozenset(name for name in listed if not name.endswith("*"))
        self._starts = tuple(name[:-1] for name in listed if name.endswith("*"))

    def __contains__(self, name: object) -> bool:
        """Return whether name may leave."""
        return isinstance(name, str) and (name in self._exact or name.startswith(self._starts))

    def prefixes(self) -> tuple[bytes, ...]:
        """Return at most PREFIXES beginnings, of up to four bytes, of which each listed name has one.

        A long list is covered by shorter beginnings: then more is read, and filtered here. A list that more
        than PREFIXES letters begin is covered in part, and so is the star alone.
        """
        starts = [f"{name}=".encode() for name in self._exact] + [start.encode() for start in self._starts]
        for size in range(_LONGEST, 0, -1):
            found = {start[:size] for start in starts if start}
            if len(found) <= PREFIXES:
                break
        return tuple(sorted(found))[:PREFIXES]

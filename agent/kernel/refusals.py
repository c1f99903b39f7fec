"""What kinds of programs this kernel refuses, so that a start does not load each of a kind in vain."""

from __future__ import annotations

from ..errors import RungUnavailable
from .bpf_object import BpfObject

_SIMPLEST = {"acts_lsm": "lsm_any", "acts_fentry": "entry_any", "acts_kprobe": "probe_any"}
"""A program of each object that does nothing, at a hook that every kernel with such hooks has."""
_RING_BYTES = 4096
_VALID = 60_000_000_000
"""Nanoseconds for which a refusal is believed: what is missing may be mounted later."""


class Refusals:
    """The objects of which not even the simplest program can be attached now."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, RungUnavailable]] = {}

    def check(self, name: str, now: int) -> None:
        """Return if programs of the object may be tried; now is monotonic ns.

        Raises:
            RungUnavailable: its simplest program was just refused.
        """
        at, refused = self._found.get(name, (now - _VALID, None))
        if refused is not None and now - at < _VALID:
            raise RungUnavailable(refused.reason, refused.fix)

    def look(self, name: str, now: int) -> None:
        """Find out whether the object, of which a program was refused, is refused altogether."""
        simplest = _SIMPLEST.get(name)
        at, _ = self._found.get(name, (now - _VALID, None))
        if simplest is None or now - at < _VALID:
            return
        try:
            BpfObject(name, _RING_BYTES, programs=frozenset((simplest,))).close()
        except RungUnavailable as refused:
            self._found[name] = now, refused

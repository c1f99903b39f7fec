"""How long tasks waited, as /proc/pressure tells it, or as the load does where it is missing."""

from __future__ import annotations


def parse_pressure(raw: bytes) -> float | None:
    """Return the percent of the last ten seconds in which some task waited; None when raw does not say."""
    for line in raw.splitlines():
        words = line.split()
        if words[:1] != [b"some"]:
            continue
        for word in words[1:]:
            if word.startswith(b"avg10="):
                return _percent(word[6:])
    return None


def load_percent(load: float, cpus: int) -> float:
    """Return how far the load is above what the processors can run at once: 100 is twice as much."""
    return min(100.0, max(0.0, (load / max(cpus, 1) - 1) * 100))


def _percent(word: bytes) -> float | None:
    try:
        found = float(word)
    except ValueError:
        return None
    return found if 0 <= found <= 100 else None  # noqa: PLR2004 - percent; also refuses nan

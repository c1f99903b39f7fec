"""The registered domain of a name, by the public suffix list that the lock file pins."""

from __future__ import annotations

import functools

from publicsuffixlist import PublicSuffixList

_NAMES_LIMIT = 16_384


@functools.cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


@functools.lru_cache(_NAMES_LIMIT)
def _registered(parent: str) -> str | None:
    return _suffixes().privatesuffix(parent)


def split(name: str) -> tuple[str, str] | None:
    """Return what stands before a name's registered domain, and that domain; None where there is nothing.

    ``a.b.example.co.uk`` is ``a.b`` and ``example.co.uk``. A suffix under which anybody gets a name, such as
    a host of pages, counts as public: each of those names is a domain of its own.
    """
    name = name.rstrip(".")
    # Of a tunnel each name is new, but few are the ends of four labels that hold the domain.
    found = _registered(".".join(name.rsplit(".", 5)[-5:]))
    if found is None or len(found) >= len(name):
        return None
    return name[: -len(found) - 1], found

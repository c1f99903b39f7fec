"""What a package transaction did, as one difference: added, removed, upgraded with both versions (R28)."""

from __future__ import annotations

from collections.abc import Iterator

from .state_diff import Difference, Snapshot, bounded


def package_differences(before: Snapshot, after: Snapshot) -> Iterator[Difference]:
    """Yield one difference a package database that is not what it was."""
    for manager in sorted(before.keys() | after.keys()):
        had, has = before.get(manager, {}), after.get(manager, {})
        if had != has:
            yield bounded(
                manager,
                "changed",
                (f"{name} {has[name]}" for name in sorted(has.keys() - had.keys())),
                (f"{name} {had[name]}" for name in sorted(had.keys() - has.keys())),
                (
                    f"{name} {had[name]} -> {has[name]}"
                    for name in sorted(had.keys() & has.keys())
                    if had[name] != has[name]
                ),
            )

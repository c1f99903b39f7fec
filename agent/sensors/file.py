"""The file sensor: changes in watched trees, and reads of sensitive files.

Rungs: *fanotify* marks the trees' filesystems and tells who wrote; *fanotify-folders* marks each folder,
where marks of filesystems are refused; *watchdog* sees changes without who made them, and no reads.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from ..errors import RungUnavailable
from ..feeds.file import FileFeed
from ..sensor import Context, Feed, Rung, Sensor
from ..tree_access import can_look_into
from ..tree_change import TreeChanges, Trees
from ..trees.fanotify_trees import FanotifyTrees
from ..trees.sensitive_reads import SensitiveReads


def _open_fanotify(context: Context, *, whole: bool) -> Feed:
    settings = context.settings.file
    trees = _trees(context)
    changes = FanotifyTrees(trees, whole=whole)
    reads = None
    try:
        reads = SensitiveReads(settings, context.processes, context.clock)
        return _feed(context, trees, changes, reads)
    except RungUnavailable:
        changes.close()
        if reads is not None:
            reads.close()
        raise


def _open_watchdog(context: Context) -> Feed:
    from ..kernel.watch_trees import WatchedTrees  # noqa: PLC0415 - watchdog is loaded only where it is used

    trees = _trees(context)
    changes = WatchedTrees(trees)
    try:
        return _feed(context, trees, changes, None)
    except RungUnavailable:
        changes.close()
        raise


def _feed(context: Context, trees: Trees, changes: TreeChanges, reads: SensitiveReads | None) -> Feed:
    try:
        return FileFeed(context, trees, changes, reads)
    except OSError as error:
        raise RungUnavailable(f"the state folder {context.state}: {error}") from error


def _trees(context: Context) -> Trees:
    """Return the configured trees, links resolved, none inside another, less the agent's own state.

    What this user cannot read is left out: to judge it by what is seen would tell of deletes.
    """
    settings = context.settings.file
    real = sorted({os.fsencode(Path(tree).resolve()) for tree in settings.trees})
    barred = [root for root in real if not can_look_into(root)]
    roots: list[bytes] = []
    for root in real:
        if root not in barred and not Trees(roots, ()).holds(root):
            roots.append(root)
    exclude = (*settings.exclude, str(context.state.resolve()))
    return Trees(roots, (os.fsencode(path) for path in exclude), barred)


SENSOR = Sensor(
    "file",
    (
        Rung("fanotify", partial(_open_fanotify, whole=True)),
        Rung("fanotify-folders", partial(_open_fanotify, whole=False)),
        Rung("watchdog", _open_watchdog),
    ),
)

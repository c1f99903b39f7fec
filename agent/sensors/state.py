"""The sensor of the host's state: who may come in, what runs by itself, what is installed, what listens.

Rungs: *inotify* is told of changed files, *poll* reads them all every few minutes. Its name is host_state, as
its section of the settings: `state` is the agent's own folder there.
"""

from __future__ import annotations

from ..errors import RungUnavailable
from ..feeds.state import SENSOR as NAME
from ..feeds.state import StateFeed
from ..host_state.state_folders import StateFolders
from ..kernel.inotify import Inotify
from ..sensor import Context, Feed, Rung, Sensor


def _open_inotify(context: Context) -> Feed:
    folders = StateFolders(Inotify())
    try:
        return _feed(context, folders)
    except RungUnavailable:
        folders.close()
        raise


def _open_poll(context: Context) -> Feed:
    return _feed(context, None)


def _feed(context: Context, folders: StateFolders | None) -> Feed:
    try:
        return StateFeed(context, folders)
    except OSError as error:
        raise RungUnavailable(f"the state folder {context.state}: {error}") from error


SENSOR = Sensor(NAME, (Rung("inotify", _open_inotify), Rung("poll", _open_poll)))

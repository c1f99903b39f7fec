"""Changes of what the host is set up to do, against what it was, and the inventory.

Files are read when a notice says that they changed and nothing more happens for a second, and all of them at
the poll, the lowest rung; what has no files (modules, sockets) at a minute. A package transaction is waited
for. One source is read a call, so that the loop stays quick.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from evidence.kind import Actor, Body
from evidence.kinds.agent import Loss
from evidence.kinds.state import Changed

from .. import machine
from ..host_state.host_inventory import HostInventory, Known
from ..host_state.state_files import SSHD
from ..host_state.state_folders import StateFolders
from ..host_state.state_inputs import StateInputs, places_below
from ..host_state.state_tracker import Tracker, open_trackers
from ..kernel.interfaces import interfaces
from ..sensor import Context, Moment, Observed
from ..settings import Settings
from ..state_diff import Difference
from ..state_source import Homes, Place, Source
from ..trees.package_lock import transaction_runs
from .tally import Tally

SENSOR = "host_state"
SELF_TEST = "self-test"
_SSHD = "sshd"
_SUGGESTIONS = {
    "more folders than are watched": "sysctl -w fs.inotify.max_user_watches=524288",
    "on a network file system, not read": "run an agent where these files are kept",
}
_IN_HOMES = frozenset({"authorized_keys", "units"})
_MINUTE = 60_000_000_000
_LISTENERS = 10_000_000_000
"""Nanoseconds between two looks at the listeners where the kernel does not tell of them."""
_TRANSACTION = 5_000_000_000
_AUTHOR, _AUTHORS = 100_000_000, 4_000_000_000
"""Nanoseconds between two looks whether it is known by now who wrote a file, and for which that is asked."""
_RETRY = 1_000_000_000
_LEAST = 0.02


class StateFeed:
    """Trackers, the watches that wake them (None: the poll alone), and the inventory."""

    def __init__(self, context: Context, folders: StateFolders | None) -> None:
        """Open the sources; the first reads follow, one a call.

        Raises:
            OSError: the state folder cannot be used.
        """
        settings = context.settings.host_state
        self._context = context
        self._folders = folders
        self._root = Path(settings.root)
        self._poll = int(settings.poll_seconds * 1e9)
        self._inputs = StateInputs(self._root)
        self._tally = Tally(SENSOR, _SUGGESTIONS)
        self._probe = context.state / "host_state.probe"
        self._probe.mkdir(mode=0o700, exist_ok=True)
        self._token: str | None = None
        self._trackers = [
            tracker for tracker in open_trackers(context) if self._inputs.can_read(tracker.source)
        ]
        self._homes = Homes()
        self._inventory = HostInventory(settings.inventory_seconds)
        self._inventory_at = 0
        self._polled_at: int | None = None
        if folders is not None:
            folders.plan(SELF_TEST, [(bytes(self._probe), "*")])
            places = places_below(self._inputs.files, SSHD)
            folders.plan(_SSHD, [(self._inputs.files.real(folder), name) for folder, name in places])
        self.period: float | None = 0.0

    def filenos(self) -> tuple[int, ...]:
        """Return the descriptor of the notices, where there are any."""
        return (self._folders.fileno(),) if self._folders is not None else ()

    def read(self, now: Moment) -> Iterable[Observed]:
        """Return what changed in the source that is due next, and the inventory when that is due."""
        events = self._wake(now)
        due = [one for one in self._trackers if one.due is not None and one.due <= now.mono]
        if due:
            events += self._look(due[0], now)
        elif now.mono >= self._inventory_at:
            events += self._tell_inventory(now)
        keeping = self._keep(now)
        self.period = self._pause(now, keeping=keeping)
        return events

    def losses(self, now: Moment) -> Iterable[Loss]:
        """Return what could not be read since the last call, by cause."""
        for lost in (self._inputs.lost, self._folders.lost if self._folders is not None else None):
            for cause, count in (lost or {}).items():
                self._tally.add(cause, count)
            if lost is not None:
                lost.clear()
        return self._tally.take(now)

    def retune(self, settings: Settings) -> None:
        """Read, and tell the inventory, as often as other settings say."""
        self._poll = int(settings.host_state.poll_seconds * 1e9)
        self._inventory.again(settings.host_state.inventory_seconds)

    def trigger(self) -> Callable[[Body], bool]:
        """Create a file in a folder of our own; a state.changed of the self-test tells of it."""
        self._clean_probe()
        token = self._token = secrets.token_hex(8)
        (self._probe / token).touch(mode=0o600)
        if self._folders is None:
            self.period = 0.0
        return lambda body: isinstance(body, Changed) and (body.source, body.subject) == (SELF_TEST, token)

    def close(self) -> None:
        """Save what was said last and give everything back."""
        for tracker in self._trackers:
            with suppress(OSError):  # then it is told again at the next start
                tracker.close()
            self._context.authors.cover(tracker.source.name, [])
        self._clean_probe()
        self._inputs.close()
        if self._folders is not None:
            self._folders.close()

    def _wake(self, now: Moment) -> list[Observed]:
        """Make due what a notice or the poll calls for; return the self-test's event."""
        changed = self._folders.changed() if self._folders is not None else {SELF_TEST}
        if self._polled_at is None or now.mono - self._polled_at >= self._poll:
            self._polled_at = now.mono
            self._homes = self._inputs.files.homes()
            for tracker in self._trackers:
                tracker.touch(now.mono)
            if self._folders is not None:
                self._folders.retry()
        if _SSHD in changed:
            self._refresh_homes(now)
        for tracker in self._trackers:
            if tracker.source.name in changed:
                tracker.touch(now.mono)
        if SELF_TEST in changed and self._token is not None and (self._probe / self._token).exists():
            token, self._token = self._token, None
            return [Observed(Changed(source=SELF_TEST, subject=token, change="appeared"), mono=now.mono)]
        return []

    def _look(self, tracker: Tracker, now: Moment) -> list[Observed]:
        """Read one source, unless a package transaction is at it, or the file sensor still asks who was."""
        source = tracker.source
        if tracker.looked_at is not None and self._waits(tracker, now):
            return []
        places = tuple(source.places(self._homes))
        self._cover(tracker, places)
        found = self._inputs.read(source, places, now.mono)
        if found is None:
            tracker.due = now.mono + _RETRY
            return []
        since = tracker.looked_at
        differences = tracker.look(found, now.mono)
        if source.reads == "sockets" and not self._kernel_tells():
            tracker.due = now.mono + _LISTENERS
        if source.name == "passwd" and (differences or since is None):
            self._refresh_homes(now)
        if differences:
            self._inventory_at = min(self._inventory_at, now.mono + _RETRY)
        return [Observed(self._changed(source, one, places, since)) for one in differences]

    def _waits(self, tracker: Tracker, now: Moment) -> bool:
        source = tracker.source
        if self._context.authors.expects(source.name, now.mono):
            return tracker.postpone(now.mono, _AUTHOR, _AUTHORS)
        if source.packaged and transaction_runs(self._root / "var/lib/dpkg"):
            return tracker.postpone(now.mono, _TRANSACTION, int(source.patience * 1e9))
        return False

    def _changed(
        self, source: Source, one: Difference, places: tuple[Place, ...], since: int | None
    ) -> Changed:
        """Return a difference as an event, with who wrote the file since the last look, if known."""
        path = _path_of(one.subject, places) if source.reads == "files" else None
        author = self._context.authors.of(path, since) if path is not None and since is not None else None
        return Changed(
            source=source.name,
            subject=one.subject,
            change=one.change,
            path=path,
            added=one.added,
            removed=one.removed,
            changed=one.changed,
            more=one.more,
            actor=author.actor if author is not None else self._owner(one.subject),
            explained_by=author.explained_by if author is not None else None,
            while_down=since is None,
        )

    def _owner(self, subject: str) -> Actor | None:
        """Return the process that owns a socket."""
        pid = self._inputs.owners.get(subject)
        return None if pid is None else self._context.processes.actor(pid) or Actor(pid=pid)

    def _cover(self, tracker: Tracker, places: tuple[Place, ...]) -> None:
        """Watch the source's folders, and let the file sensor know that its files are told here."""
        source = tracker.source
        if source.every is not None:
            return
        below = places_below(self._inputs.files, places)
        if self._folders is not None:
            real = [(self._inputs.files.real(folder), name) for folder, name in below]
            self._folders.plan(source.name, real)
        if source.reads == "files" and self._root == Path("/"):
            covered = [(folder.decode("utf-8", "replace"), name) for folder, name in below]
            self._context.authors.cover(source.name, covered)

    def _refresh_homes(self, now: Moment) -> None:
        """Look again at what stands in home folders, where there may be others now."""
        homes = self._inputs.files.homes()
        if homes != self._homes:
            self._homes = homes
            for tracker in self._trackers:
                if tracker.source.name in _IN_HOMES:
                    tracker.touch(now.mono)

    def _kernel_tells(self) -> bool:
        return self._context.rungs().get("connection") == "bpf"

    def _tell_inventory(self, now: Moment) -> list[Observed]:
        self._inventory_at = now.mono + _MINUTE
        try:
            addresses = interfaces()
        except OSError:
            self._tally.add("interfaces not listed")
            addresses = ()
        known = Known(
            facts=machine.read(self._root),
            interfaces=addresses,
            accounts=self._homes.accounts,
            snapshots={one.source.name: one.snapshot for one in self._trackers if one.snapshot is not None},
            rungs=self._context.rungs(),
        )
        return [Observed(body, mono=now.mono) for body in self._inventory.tell(known, now.mono)]

    def _keep(self, now: Moment) -> bool:
        """Save what is sealed by now; return whether something waits to be."""
        waiting = False
        for tracker in self._trackers:
            try:
                waiting |= tracker.keep(now.mono)
            except OSError:
                self._tally.add("snapshot not saved")
                waiting = True
        return waiting

    def _pause(self, now: Moment, *, keeping: bool) -> float:
        """Return the seconds until something is due."""
        times = [one.due for one in self._trackers if one.due is not None]
        times += [self._inventory_at, (self._polled_at or 0) + self._poll]
        if keeping:
            times.append(now.mono + _RETRY)
        return max(_LEAST, (min(times) - now.mono) / 1e9)

    def _clean_probe(self) -> None:
        with suppress(OSError):
            for former in self._probe.iterdir():
                former.unlink()


def _path_of(subject: str, places: tuple[Place, ...]) -> str | None:
    """Return the file in which a subject stands: itself, or the only file of its source."""
    if subject.startswith("/"):
        return subject
    return f"{places[0].folder}/{places[0].pattern}" if places else None

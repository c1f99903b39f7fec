"""The fleet's policy on this host: what ship hands over, what holds, and the settings that follow.

Whoever hands over is not trusted: what is larger than a bundle may be is not read, and nothing is taken but
by the rules of policy_rules.py. What is taken is durable before it holds.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

import msgspec

from evidence import keys, policy_settings
from evidence.errors import EvidenceError
from evidence.kind import Body
from evidence.kinds.policy import Applied, Cause
from evidence.policy import BUNDLE_LIMIT, Policy
from evidence.policy_settings import PolicySettings

from .. import ignored_programs, settings_file
from ..errors import SettingsError
from ..reporting.status import PolicyStatus
from ..sensor import Moment
from ..settings import Settings
from ..spool.disk import Disk
from . import policy_rules
from .policy_rules import Refusal, Taken, Wait
from .policy_store import Kept, PolicyStore
from .policy_told import RefusalsTold

_SENSORS = {"acts": "unix"}
"""The sensor that a section of the settings is for, where it has another name."""


class PolicyHost(msgspec.Struct, frozen=True):
    """What a host brings: its files' settings, the pinned key, its labels, where policies are handed over."""

    local: Settings
    pinned: bytes | None
    labels: dict[str, str]
    handed: Path
    disk: Disk


class Step(msgspec.Struct, frozen=True):
    """What a look brought: events to tell, and the sensors whose settings are different now."""

    bodies: tuple[Body, ...] = ()
    sensors: frozenset[str] = frozenset()


class FleetPolicy:
    """The policy in force. `settings` are those of the files with what it says on top."""

    def __init__(self, host: PolicyHost, store: PolicyStore, now: Moment) -> None:
        """Take up what the last run kept."""
        self._host, self._store = host, store
        self._told = RefusalsTold()
        self._first: list[Body] = []
        self._stamp: tuple[int, int, int] | None = None
        self._look_at: int | None = None
        self._policy: Policy | None = None
        self.settings = host.local
        self._kept = self._take_up(now)
        self._first += self._settle(now)

    @property
    def digest(self) -> str | None:
        """The digest of the policy that holds; None where none does."""
        held = self._policy is not None and self._host.local.policy.accept and self._kept is not None
        return self._kept.trust.digest if held and self._kept is not None else None

    def begin(self) -> tuple[Body, ...]:
        """Return what the start itself has to tell; called once."""
        first, self._first = tuple(self._first), []
        return first

    def look(self, now: Moment) -> Step:
        """Take what was handed over since the last look, and let a policy end whose time is over."""
        before = self.settings
        bodies: list[Body] = []
        if self._is_news(now.time):
            bodies += self._read(now)
        bodies += self._settle(now)
        if self.settings is before:
            return Step(tuple(bodies))
        changed = _changed(before, self.settings)
        sections = {name.partition(".")[0] for name in changed}
        return Step(tuple(bodies), frozenset(_SENSORS.get(one, one) for one in sections))

    def status(self) -> PolicyStatus | None:
        """Return what `status` shows; None where nobody ever spoke of a policy here."""
        found, kept = self._policy, self._kept
        if found is None or kept is None or kept.trust.digest is None:
            return None if self._told.last is None else PolicyStatus(refused=self._told.last)
        return PolicyStatus(
            found.name, found.version, kept.trust.digest, found.until, kept.told, self._told.last
        )

    def _take_up(self, now: Moment) -> Kept | None:
        """Return what was kept, less what no longer holds together."""
        loaded, pinned = self._store.load(), self._host.pinned
        if loaded.ground is not None:
            self._refuse(Refusal(loaded.ground, loaded.message, ""), now, self._first)
        if pinned is None:
            return None
        kept = loaded.kept
        if kept is None or kept.trust.root != pinned.hex():
            return Kept(policy_rules.pin(pinned))
        if kept.envelope is None:
            return kept
        digest = kept.trust.digest or ""
        try:
            found = policy_rules.again(kept.envelope.encode(), kept.trust)
            _usable(self._host.local, found)
        except (EvidenceError, UnicodeEncodeError) as error:
            self._refuse(Refusal("record is gone", str(error), digest), now, self._first)
            return Kept(kept.trust)
        except SettingsError as error:  # another version of the agent took it
            self._refuse(Refusal("unusable here", str(error), digest), now, self._first)
            return Kept(kept.trust)
        self._policy = found
        return kept

    def _is_news(self, now: int) -> bool:
        """Tell whether another file was handed over, or one is to be looked at again by now (UTC ns)."""
        try:
            found = self._host.handed.lstat()
        except OSError:
            return False
        stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
        due = self._look_at is not None and now >= self._look_at
        if stamp == self._stamp and not due:
            return False
        self._stamp, self._look_at = stamp, None
        return True

    def _read(self, now: Moment) -> list[Body]:
        """Judge what was handed over, and put it in force if it is to be taken."""
        bodies: list[Body] = []
        try:
            size = self._host.disk.size(self._host.handed)
            if size is None:
                return bodies
            raw = self._host.disk.read(self._host.handed, 0, BUNDLE_LIMIT) if size <= BUNDLE_LIMIT else b""
        except OSError:
            return bodies
        whole = hashlib.sha256(raw).hexdigest()
        if size > BUNDLE_LIMIT:
            message = f"{size} bytes were handed over, at most {BUNDLE_LIMIT} are read"
            self._refuse(Refusal("too large", message, f"{size} bytes"), now, bodies)
        elif self._kept is None:
            message = "pin the key: `enroll --policy-key FILE`, or [policy] key"
            self._refuse(Refusal("no key is pinned", message, whole), now, bodies)
        elif not self._host.local.policy.accept:
            self._refuse(Refusal("not accepted here", "[policy] accept is false", whole), now, bodies)
        else:
            self._judge(raw, self._kept, now, bodies)
        return bodies

    def _judge(self, raw: bytes, kept: Kept, now: Moment, bodies: list[Body]) -> None:
        held = kept.envelope.encode() if kept.envelope is not None else None
        found = policy_rules.judge(raw, kept.trust, held, self._host.labels, now.time)
        if isinstance(found, Taken):
            refused = self._put_in_force(found)
            if refused is not None:
                self._refuse(refused, now, bodies)
            else:
                bodies += self._settle(now, before=kept.trust.digest)
        elif isinstance(found, Refusal):
            self._refuse(found, now, bodies)
        elif isinstance(found, Wait):
            self._look_at = found.until

    def _put_in_force(self, taken: Taken) -> Refusal | None:
        """Make a policy durable, and let it hold; return why it cannot."""
        key = keys.key_id(bytes.fromhex(taken.trust.signer or taken.trust.key))
        try:
            _usable(self._host.local, taken.policy)
            kept = Kept(taken.trust, taken.envelope.decode())
            self._store.keep(kept)
        except SettingsError as error:
            return Refusal("unusable here", str(error), taken.digest, taken.policy, key)
        except OSError as error:
            return Refusal("cannot be kept", str(error), taken.digest, taken.policy, key)
        self._kept, self._policy, self._told.last = kept, taken.policy, None
        return None

    def _settle(self, now: Moment, before: str | None = None) -> list[Body]:
        """Bring the settings to what holds now; return the event where that is another than was told last."""
        found, kept = self._policy, self._kept
        if found is None or kept is None:
            return []
        cause = self._cause(found, kept.told, now.time)
        if self.settings is not self._host.local and cause == kept.told:
            return []
        former, self.settings = self.settings, self._settings(found, cause)
        if cause == kept.told:
            return []
        self._kept = msgspec.structs.replace(kept, told=cause)
        with suppress(OSError):  # then it is told again at the next start
            self._store.keep(self._kept)
        changed = _changed(former, self.settings)
        return [_applied(found, self._kept, cause, changed, before)]

    def _cause(self, found: Policy, told: Cause | None, now: int) -> Cause:
        if not self._host.local.policy.accept:
            return "kept out"
        if now >= found.until:
            return "ended"
        return "put back" if told in ("kept out", "ended", "put back") else "taken"

    def _settings(self, found: Policy, cause: Cause) -> Settings:
        if cause == "kept out":
            return self._host.local
        said = policy_settings.without_filters(found.settings) if cause == "ended" else found.settings
        return merged(self._host.local, said)

    def _refuse(self, refusal: Refusal, now: Moment, bodies: list[Body]) -> None:
        body = self._told.tell(refusal, now.mono)
        if body is not None:
            bodies.append(body)


def _usable(local: Settings, found: Policy) -> None:
    """Check that a policy can hold on this host, with what its paths stand for here.

    Raises:
        SettingsError: a setting is unknown to this agent, or a program is, by a link, one that must be told.
    """
    merged(local, found.settings)
    said = found.settings
    filtered = (said.process, said.connection, said.datagram, said.dns)
    ignored = [one.ignore for one in filtered if one is not None and one.ignore is not None]
    for pattern in {pattern for ignore in ignored for pattern in ignore.programs or ()}:
        for path in ignored_programs.files(pattern):
            if policy_settings.must_be_told(path.name) is not None:
                raise SettingsError(f"{pattern} is {path} here, which every host tells")


def merged(local: Settings, said: PolicySettings) -> Settings:
    """Return a host's own settings with what a policy says on top; arrays are replaced as a whole.

    Raises:
        SettingsError: this agent has no such setting, or not with such a value.
    """
    table = settings_file.effective(local)
    settings_file.merge(table, msgspec.to_builtins(said))
    return settings_file.check(table, "", "policy")


def _changed(before: Settings, after: Settings) -> tuple[str, ...]:
    return settings_file.diff(settings_file.effective(before), settings_file.effective(after))


def _applied(
    found: Policy, kept: Kept, cause: Cause, changed: tuple[str, ...], before: str | None
) -> Applied:
    trust = kept.trust
    return Applied(
        name=found.name,
        version=found.version,
        digest=trust.digest or "",
        cause=cause,
        key=keys.key_id(bytes.fromhex(trust.signer or trust.key)),
        until=found.until,
        changed=changed,
        before=before if before != trust.digest else None,
        next_key=found.next_key and keys.key_id(bytes.fromhex(found.next_key)),
        note=found.note or None,
    )

"""Policies of two keys, and a host that may take them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from agent.policy.fleet_policy import FleetPolicy, PolicyHost
from agent.policy.policy_store import PolicyStore
from agent.sensor import Moment
from agent.settings import Settings
from agent.spool.disk import Disk, LocalDisk
from evidence import policy
from evidence.keys import PrivateKey
from evidence.policy import Policy
from evidence.policy_settings import File, Filtered, Ignore, PolicySettings

KEY, OTHER, NEXT = (PrivateKey(bytes([number]) * 32) for number in (1, 2, 3))
SECOND = 1_000_000_000
NOW = 1_790_000_000 * SECOND
DAY = 86_400 * SECOND
QUIETER = PolicySettings(
    heartbeat=30.0,
    process=Filtered(ignore=Ignore(programs=("/opt/ci/runner",))),
    file=File(exclude=("/srv/cache",), decoys=("/srv/salaries.csv",)),
)


def document(version: int = 1, **changes: object) -> Policy:
    """Return a policy issued so many seconds ago as its version is below a thousand."""
    issued = NOW - (1000 - version) * SECOND
    made = Policy(
        name="fleet", version=version, issued=issued, from_=issued, until=NOW + DAY, settings=QUIETER
    )
    return msgspec.structs.replace(made, **changes)


def signed(*documents: Policy, key: PrivateKey = KEY) -> bytes:
    """Return what is handed over: documents of one key."""
    return policy.bundle(tuple(policy.sign(one, key) for one in documents))


@dataclass
class Host:
    """A host with a pinned key; `start` is a start of watch."""

    folder: Path
    pinned: bytes | None = KEY.public
    local: Settings = field(default_factory=Settings)
    labels: dict[str, str] = field(default_factory=dict)
    now: Moment = field(default_factory=lambda: Moment(NOW, SECOND))
    keeping: Disk | None = None

    @property
    def handed(self) -> Path:
        return self.folder / "policy"

    def start(self) -> FleetPolicy:
        watch = self.folder / "watch"
        watch.mkdir(exist_ok=True)
        host = PolicyHost(self.local, self.pinned, self.labels, self.handed, LocalDisk())
        return FleetPolicy(host, PolicyStore(watch, self.keeping or LocalDisk(0o600)), self.now)

    def hand_over(self, raw: bytes) -> None:
        LocalDisk().replace(self.handed, raw)

    def later(self, ns: int) -> Moment:
        self.now = Moment(self.now.time + ns, self.now.mono + ns)
        return self.now

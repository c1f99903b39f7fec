"""Which keys speak for which agent: a projection of enrolment, rotation and revocation entries. Pure."""

from __future__ import annotations

import msgspec

from evidence import enrolment, entry
from evidence.enrolment import RevocationRecord
from evidence.entry import EntryType
from evidence.errors import CodecError
from evidence.keys import key_id


class Epoch(msgspec.Struct, frozen=True):
    """One signing key of an agent.

    index is the leaf of the entry that brought it and anchor that entry's digest, which both chains' first
    statements quote. revoked_at is the leaf from which on nothing of it is accepted.
    """

    agent: str
    epoch: int
    public: bytes
    anchor: str
    certificate_sha256: str
    index: int
    revoked_at: int | None = None
    labels: dict[str, str] = {}


class Registry:
    """Every agent that was ever enrolled."""

    def __init__(self) -> None:
        self._agents: dict[str, dict[int, Epoch]] = {}
        self._by_key: dict[str, tuple[str, int]] = {}

    def apply(self, index: int, kind: EntryType, payload: bytes) -> None:
        """Take the entry at index; types that say nothing of keys are passed over.

        Raises:
            CodecError: the payload is no record, or contradicts what is known; nothing was taken.
        """
        if kind in (EntryType.ENROLMENT, EntryType.ROTATION):
            self._enrol(index, kind, payload)
        elif kind is EntryType.REVOCATION:
            self._revoke(index, payload)

    def check(self, kind: EntryType, payload: bytes) -> None:
        """Tell whether `apply` would take the entry, without taking it.

        Raises:
            CodecError: it would not.
        """
        if kind in (EntryType.ENROLMENT, EntryType.ROTATION):
            self._enrolled(0, kind, payload)
        elif kind is EntryType.REVOCATION:
            self._revoked(payload)

    def epochs(self, agent: str) -> tuple[Epoch, ...]:
        """Return an agent's epochs, oldest first; none for an unknown agent."""
        return tuple(self._agents.get(agent, {}).values())

    def by_key(self, keyid: str) -> Epoch | None:
        """Return whose key this is."""
        found = self._by_key.get(keyid)
        return None if found is None else self._agents[found[0]][found[1]]

    def epoch(self, agent: str, number: int) -> Epoch | None:
        """Return one epoch of an agent."""
        return self._agents.get(agent, {}).get(number)

    def is_known(self, agent: str) -> bool:
        """Tell whether agent was ever enrolled."""
        return agent in self._agents

    def is_revoked(self, agent: str) -> bool:
        """Tell whether all of an agent's epochs are revoked."""
        epochs = self._agents.get(agent)
        return epochs is not None and all(epoch.revoked_at is not None for epoch in epochs.values())

    def agents(self) -> tuple[str, ...]:
        """Return every agent, in the order of enrolment."""
        return tuple(self._agents)

    def _enrolled(self, index: int, kind: EntryType, payload: bytes) -> Epoch:
        record = enrolment.record(payload)
        public = bytes.fromhex(record.public)
        known = self._agents.get(record.agent, {})
        if record.epoch in known:
            raise CodecError(f"enrolment entry: epoch {record.epoch} of {record.agent} is there already")
        if (record.epoch == 1) is (kind is EntryType.ROTATION):
            raise CodecError(f"{kind.name.lower()} entry: epoch {record.epoch} comes by the other type")
        if key_id(public) in self._by_key:
            raise CodecError(f"enrolment entry: the key of {record.agent} belongs to an agent already")
        anchor = entry.digest(entry.encode(kind, payload))
        return Epoch(
            agent=record.agent,
            epoch=record.epoch,
            public=public,
            anchor=anchor,
            certificate_sha256=record.certificate_sha256,
            index=index,
            labels=record.labels,
        )

    def _enrol(self, index: int, kind: EntryType, payload: bytes) -> None:
        epoch = self._enrolled(index, kind, payload)
        self._agents.setdefault(epoch.agent, {})[epoch.epoch] = epoch
        self._by_key[key_id(epoch.public)] = (epoch.agent, epoch.epoch)

    def _revoked(self, payload: bytes) -> RevocationRecord:
        record = enrolment.revocation(payload)
        known = self._agents.get(record.agent, {})
        if not known or (record.epoch is not None and record.epoch not in known):
            raise CodecError(f"revocation entry: {record.agent} epoch {record.epoch} was never enrolled")
        return record

    def _revoke(self, index: int, payload: bytes) -> None:
        record = self._revoked(payload)
        epochs = self._agents[record.agent]
        for number, epoch in epochs.items():
            if record.epoch in (None, number) and epoch.revoked_at is None:
                epochs[number] = msgspec.structs.replace(epoch, revoked_at=index)

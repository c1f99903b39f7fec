"""Which batches are contested: those after an agent's equivocation, until an administrator decides. Pure.

It follows from the ledger's entries and their order alone, so whoever reads them comes to the same result.
"""

from __future__ import annotations

from evidence import decision
from evidence.entry import EntryType

SETTING = "contested"
"""The setting by which an administrator ends it: object the agent, value ``off``."""


class Contest:
    """Feed it entries in the order of the ledger."""

    def __init__(self) -> None:
        self._since: dict[str, int] = {}

    def equivocated(self, index: int, agent: str) -> None:
        """Take the equivocation entry at index, of a statement by agent."""
        self._since.setdefault(agent, index)

    def apply(self, kind: EntryType, payload: bytes) -> None:
        """Take an entry of another type; only a setting can end a contest.

        Raises:
            CodecError: a setting entry that cannot be read.
        """
        if kind is EntryType.SETTING:
            change = decision.setting(payload)
            if change.name == SETTING and change.object is not None and change.value == "off":
                self._since.pop(change.object, None)

    def since(self, agent: str) -> int | None:
        """Return the index of the equivocation that is not yet decided, None if there is none."""
        return self._since.get(agent)

    def is_contested(self, agent: str, index: int) -> bool:
        """Tell whether agent's batch at index is contested, all entries before index having been fed."""
        since = self._since.get(agent)
        return since is not None and index > since

"""Rings when a program is executed on this host, by the process connector; silent where that is refused."""

from __future__ import annotations

from ..decode.connector import parse
from ..errors import RungUnavailable
from ..kernel.proc_connector import ProcConnector

_LIMIT = 4096


class ExecBell:
    """A subscription that is read only to learn that something started."""

    def __init__(self) -> None:
        self._connector: ProcConnector | None
        try:
            self._connector = ProcConnector()
        except RungUnavailable:
            self._connector = None

    def filenos(self) -> tuple[int, ...]:
        """Return the descriptor to wait on, none where the connector is refused."""
        return () if self._connector is None else (self._connector.fileno(),)

    def rang(self) -> bool:
        """Return whether something was executed since the last call."""
        if self._connector is None:
            return False
        return any(event.kind == "exec" for raw in self._connector.read(_LIMIT) for event in parse(raw))

    def close(self) -> None:
        """Unsubscribe."""
        if self._connector is not None:
            self._connector.close()

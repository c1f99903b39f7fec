"""A collector that offers policies, without network and ledger; held to the contract of the real one."""

from __future__ import annotations

import hashlib

from agent.shipping.delivery import Reply
from evidence import endpoints


class Collector:
    """Answers with what the test sets, and keeps the questions."""

    def __init__(self) -> None:
        self.offered = b""
        self.status: int | None = 200
        self.asked: list[str] = []

    def offer_bytes(self, raw: bytes) -> None:
        """Offer anything from now on."""
        self.offered = raw

    def get(self, path: str, headers: dict[str, str]) -> Reply:
        assert path == endpoints.POLICY
        known = headers[endpoints.KNOWN_POLICY]
        self.asked.append(known)
        same = known == hashlib.sha256(self.offered).hexdigest()
        return Reply(self.status, b"" if same else self.offered)

"""Enrolment tokens: made, judged, spent, revoked. The secret is shown once and kept as a hash (R38)."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import sqlite3
from typing import Any

import msgspec

from evidence.enrolment import Token

from ..errors import CollectorError, Denied
from ..state_db import StateDb

MAX_USES = 1_000_000
_LABELS = 32
_NO_HASH = bytes(32)


class Terms(msgspec.Struct, frozen=True):
    """What a token permits. expires is UTC ns; no networks means any source address."""

    expires: int
    uses: int = 1
    networks: tuple[str, ...] = ()
    labels: dict[str, str] = {}


class TokenRow(msgspec.Struct, frozen=True):
    """A token as an admin sees it: all but its secret. Times are UTC ns."""

    id: str
    created: int
    author: str
    expires: int
    uses: int
    uses_left: int
    networks: tuple[str, ...]
    labels: dict[str, str]
    revoked: int | None
    last_used: int | None
    last_host: str | None
    last_address: str | None
    last_agent: str | None


class Use(msgspec.Struct, frozen=True):
    """Who spends a use of a token, and when (UTC ns)."""

    agent: str
    host: str
    address: str
    time: int


def mint(pin: str) -> Token:
    """Return a token with a new id and secret; pin is the CA's."""
    return Token(secrets.token_hex(8), secrets.token_urlsafe(32), pin)


def check_terms(terms: Terms, now: int) -> None:
    """Check what an admin typed.

    Raises:
        CollectorError: uses, expiry, a network or the labels are out of range; the message says which.
    """
    if not 1 <= terms.uses <= MAX_USES:
        raise CollectorError(f"--uses {terms.uses}: must be 1 to {MAX_USES}")
    if terms.expires <= now:
        raise CollectorError("--expires: must be in the future")
    if len(terms.labels) > _LABELS:
        raise CollectorError(f"--label: {len(terms.labels)} labels, at most {_LABELS}")
    for network in terms.networks:
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            raise CollectorError(f"--network {network}: {error}; write it like 10.0.0.0/8") from error


class Tokens:
    """The tokens in state.db."""

    def __init__(self, db: StateDb) -> None:
        self._db = db

    def add(self, token: Token, terms: Terms, author: str, now: int) -> None:
        """Keep a token, its secret hashed."""
        row = (
            *(token.id, _hash(token.secret), now, author, terms.expires, terms.uses, terms.uses),
            *(msgspec.json.encode(terms.networks).decode(), msgspec.json.encode(terms.labels).decode()),
        )
        with self._db.transaction() as db:
            db.execute(
                "INSERT INTO tokens (id, hash, created, author, expires, uses, uses_left, networks, labels)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )

    def rows(self) -> list[TokenRow]:
        """Return all tokens, the newest first."""
        with self._db.reading() as db:
            return [_row(row) for row in db.execute("SELECT * FROM tokens ORDER BY created DESC, id")]

    def find(self, token_id: str) -> TokenRow:
        """Return one token.

        Raises:
            CollectorError: there is none of that id.
        """
        with self._db.reading() as db:
            row = db.execute("SELECT * FROM tokens WHERE id = ?", (token_id,)).fetchone()
        if row is None:
            raise CollectorError(f"no token {token_id}; see `vedette-collector token list`")
        return _row(row)

    def revoke(self, token_id: str, now: int) -> None:
        """Revoke a token; one that is revoked stays so since then."""
        with self._db.transaction() as db:
            db.execute("UPDATE tokens SET revoked = COALESCE(revoked, ?) WHERE id = ?", (now, token_id))

    def judge(self, token_id: str, secret: str, address: str, now: int, *, spent: bool = False) -> TokenRow:
        """Return the token if it may be used from address now; spent permits one without uses left.

        Raises:
            Denied: with the exact reason. The secret is compared first and in constant time.
        """
        with self._db.reading() as db:
            row = db.execute("SELECT * FROM tokens WHERE id = ?", (token_id,)).fetchone()
        right = hmac.compare_digest(row["hash"] if row else _NO_HASH, _hash(secret))
        if row is None:
            raise Denied(f"token {token_id}: unknown")
        if not right:
            raise Denied(f"token {token_id}: wrong secret")
        token = _row(row)
        if token.revoked is not None:
            raise Denied(f"token {token_id}: revoked")
        if token.expires <= now:
            raise Denied(f"token {token_id}: expired")
        if not _inside(address, token.networks):
            raise Denied(f"token {token_id}: {address} is in none of its networks")
        if token.uses_left == 0 and not spent:
            raise Denied(f"token {token_id}: no uses left; {token.last_host} used it last")
        return token

    def spend(self, token_id: str, use: Use) -> None:
        """Take one use, in one step: of two at once for the last use, one wins.

        Raises:
            Denied: no use is left, or the token was revoked or expired meanwhile.
        """
        with self._db.transaction() as db:
            done = db.execute(
                "UPDATE tokens SET uses_left = uses_left - 1, last_used = :time, last_host = :host,"
                " last_address = :address, last_agent = :agent"
                " WHERE id = :id AND uses_left > 0 AND revoked IS NULL AND expires > :time",
                {"id": token_id, **msgspec.structs.asdict(use)},
            )
            if done.rowcount != 1:
                raise Denied(f"token {token_id}: its last use was taken by another host at the same moment")

    def give_back(self, token_id: str) -> None:
        """Return a use whose enrolment failed at our end."""
        with self._db.transaction() as db:
            db.execute("UPDATE tokens SET uses_left = MIN(uses, uses_left + 1) WHERE id = ?", (token_id,))


def describe(terms: Terms) -> dict[str, str]:
    """Return what the act of creation tells of a token: its terms, never its secret."""
    return {
        "uses": str(terms.uses),
        "expires": str(terms.expires),
        "networks": ",".join(terms.networks) or "any",
        "labels": ",".join(f"{key}={value}" for key, value in terms.labels.items()),
    }


def _row(row: sqlite3.Row) -> TokenRow:
    fields: dict[str, Any] = {name: row[name] for name in TokenRow.__struct_fields__}
    fields["networks"] = msgspec.json.decode(row["networks"], type=tuple[str, ...])
    fields["labels"] = msgspec.json.decode(row["labels"], type=dict[str, str])
    return TokenRow(**fields)


def _hash(secret: str) -> bytes:
    """A secret of 256 random bits needs no slow hash."""
    return hashlib.sha256(secret.encode()).digest()


def _inside(address: str, networks: tuple[str, ...]) -> bool:
    try:
        at = ipaddress.ip_address(address)
    except ValueError:
        return not networks
    mapped = at.ipv4_mapped if isinstance(at, ipaddress.IPv6Address) else None
    return not networks or any((mapped or at) in ipaddress.ip_network(network) for network in networks)

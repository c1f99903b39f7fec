"""Decides on enrolments and carries them out: token, certificate, ledger entry, reply.

Whatever it denies carries the exact reason for the admin's log; what the client may know is not its business.
The clock comes in with each call. Calls may come from several threads.
"""

from __future__ import annotations

import base64
import secrets
import threading
from typing import Protocol

import msgspec

from evidence import entry, receipt
from evidence.enrolment import Record, Reply
from evidence.entry import EntryType
from evidence.errors import CodecError
from evidence.receipt import Receipt

from .. import ca
from ..ca import Authority
from ..errors import Denied, LedgerError
from . import claim
from .claim import Claim
from .enrolments import Certificate, Enrolment, Enrolments
from .nonces import Nonces
from .tokens import TokenRow, Tokens, Use

REPEATABLE = 3600 * 1_000_000_000
"""Nanoseconds in which a host whose answer was lost may ask for it again."""


class Ledger(Protocol):
    """What an enrolment needs of the ledger's owner."""

    def append(self, kind: EntryType, payload: bytes) -> Receipt:
        """Append an entry and return its receipt once it is durable."""
        ...


class Past(Protocol):
    """What an enrolment needs of the ledger's files, where the owner's answer was lost."""

    def catch_up(self) -> object:
        """Take every durable enrolment into state.db."""
        ...

    def proven(self, index: int) -> tuple[bytes, Receipt]:
        """Return an entry and a receipt for it."""
        ...


class Terms(msgspec.Struct, frozen=True):
    """What every reply holds: days of a certificate, the ledger's vkey, the redaction key in base64."""

    client_days: int
    ledger_key: str
    redaction_key: str


class Admission(msgspec.Struct, frozen=True):
    """A carried-out enrolment: the reply, and what the log should say."""

    reply: Reply
    token: str
    host: str
    successor_of: str | None = None
    repeated: bool = False


class Registrar:
    """Enrols against one CA, one database and one ledger."""

    def __init__(
        self,
        *,
        authority: Authority,
        tokens: Tokens,
        enrolments: Enrolments,
        nonces: Nonces,
        ledger: Ledger,
        past: Past,
        terms: Terms,
    ) -> None:
        self._authority = authority
        self._tokens = tokens
        self._enrolments = enrolments
        self._nonces = nonces
        self._ledger = ledger
        self._past = past
        self._terms = terms
        self._one_at_a_time = threading.Lock()

    def enrol(self, body: bytes, address: str, now: int) -> Admission:
        """Enrol the host that sent body from address at now (UTC ns).

        Raises:
            Refused: the body is no request at all.
            Denied: with the exact reason.
            CollectorError: the ledger or the database failed; the token's use was given back.
        """
        asked = claim.read_enrolment(body)
        with self._one_at_a_time:
            self._nonces.use(asked.proof.nonce, now)
            known = self._enrolments.by_key(asked.proof.public)
            token = self._tokens.judge(asked.proof.token, asked.secret, address, now, spent=known is not None)
            if known is None:
                use = Use(secrets.token_hex(16), asked.proof.facts.host, address, now)
                admitted = self._admit(asked, token, use)
                if isinstance(admitted, Admission):
                    return admitted
                known = admitted
            return self._repeat(asked, known, now)

    def _repeat(self, asked: Claim, known: Enrolment, now: int) -> Admission:
        """Answer once more, word for word, a host that asks again with the same keys and the same token."""
        same = (known.token, known.csr_sha256) == (asked.proof.token, asked.proof.csr_sha256)
        if not same or known.revoked is not None or now - known.time > REPEATABLE:
            raise Denied(f"signing key: enrolled before, as agent {known.agent}; reset the host's identity")
        reply = self._enrolments.reply(known.agent)
        if reply is None:
            pem = self._authority.issue_client(asked.csr, known.agent, now, self._terms.client_days)
            reply = self._reply(known.agent, pem, *self._past.proven(known.position))
            self._enrolments.keep_reply(reply, _certificate(pem), now)
        return Admission(reply, known.token, known.host, known.successor_of, repeated=True)

    def _admit(self, asked: Claim, token: TokenRow, use: Use) -> Admission | Enrolment:
        """Enrol; where the ledger failed and yet holds the host's key, return that enrolment instead."""
        self._tokens.spend(token.id, use)
        try:
            return self._record(asked, token, use)
        except (LedgerError, CodecError):
            self._past.catch_up()
            known = self._enrolments.by_key(asked.proof.public)
            if known is None:
                self._tokens.give_back(token.id)
                raise
            return known
        except BaseException:
            self._tokens.give_back(token.id)
            raise

    def _record(self, asked: Claim, token: TokenRow, use: Use) -> Admission:
        pem = self._authority.issue_client(asked.csr, use.agent, use.time, self._terms.client_days)
        record = Record(
            agent=use.agent,
            epoch=1,
            time=use.time,
            public=asked.proof.public,
            proof=asked.envelope,
            token=token.id,
            certificate_sha256=ca.certificate_digest(pem),
            labels=token.labels,
            successor_of=self._enrolments.predecessor(asked.proof.facts),
        )
        payload = msgspec.json.encode(record)
        got = self._ledger.append(EntryType.ENROLMENT, payload)
        raw = entry.encode(EntryType.ENROLMENT, payload)
        self._enrolments.take(got.index, [raw])
        reply = self._reply(use.agent, pem, raw, got)
        self._enrolments.keep_reply(reply, _certificate(pem), use.time)
        return Admission(reply, token.id, use.host, record.successor_of)

    def _reply(self, agent: str, pem: str, raw: bytes, got: Receipt) -> Reply:
        return Reply(
            agent=agent,
            epoch=1,
            certificate=pem,
            ca=self._authority.bundle(),
            ledger_key=self._terms.ledger_key,
            redaction_key=self._terms.redaction_key,
            entry=base64.b64encode(raw).decode(),
            receipt=receipt.to_bytes(got).decode(),
        )


def _certificate(pem: str) -> Certificate:
    return Certificate(ca.certificate_digest(pem), ca.expiry(pem))

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
from evidence.receipt import Receipt

from . import ca, claim
from .ca import Authority
from .claim import Claim
from .enrolments import Certificate, Enrolment, Enrolments
from .errors import Denied
from .nonces import Nonces
from .tokens import TokenRow, Tokens, Use

REPEATABLE = 3600 * 1_000_000_000
"""Nanoseconds in which a host whose answer was lost may ask for it again."""


class Ledger(Protocol):
    """What an enrolment needs of the ledger."""

    def append(self, kind: EntryType, payload: bytes) -> Receipt:
        """Append an entry and return its receipt once it is durable."""
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
        terms: Terms,
    ) -> None:
        self._authority = authority
        self._tokens = tokens
        self._enrolments = enrolments
        self._nonces = nonces
        self._ledger = ledger
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
            if known is not None:
                return self._repeat(asked, known, now)
            return self._admit(asked, token, address, now)

    def _repeat(self, asked: Claim, known: Enrolment, now: int) -> Admission:
        """Answer once more, word for word, a host that asks again with the same keys and the same token."""
        same = (known.token, known.csr_sha256) == (asked.proof.token, asked.proof.csr_sha256)
        reply = self._enrolments.reply(known.agent, now - REPEATABLE) if same else None
        if reply is None or known.revoked is not None:
            raise Denied(f"signing key: enrolled before, as agent {known.agent}; reset the host's identity")
        return Admission(reply, known.token, known.host, known.successor_of, repeated=True)

    def _admit(self, asked: Claim, token: TokenRow, address: str, now: int) -> Admission:
        agent = secrets.token_hex(16)
        self._tokens.spend(token.id, Use(agent, asked.proof.facts.host, address, now))
        try:
            pem = self._authority.issue_client(asked.csr, agent, now, self._terms.client_days)
            record = Record(
                agent=agent,
                epoch=1,
                time=now,
                public=asked.proof.public,
                proof=asked.envelope,
                token=token.id,
                certificate_sha256=ca.certificate_digest(pem),
                labels=token.labels,
                successor_of=self._enrolments.predecessor(asked.proof.facts),
            )
            reply = self._record(record, pem, now)
        except BaseException:
            self._tokens.give_back(token.id)
            raise
        return Admission(reply, token.id, asked.proof.facts.host, record.successor_of)

    def _record(self, record: Record, pem: str, now: int) -> Reply:
        payload = msgspec.json.encode(record)
        raw = entry.encode(EntryType.ENROLMENT, payload)
        got = self._ledger.append(EntryType.ENROLMENT, payload)
        reply = Reply(
            agent=record.agent,
            epoch=record.epoch,
            certificate=pem,
            ca=self._authority.bundle(),
            ledger_key=self._terms.ledger_key,
            redaction_key=self._terms.redaction_key,
            entry=base64.b64encode(raw).decode(),
            receipt=receipt.to_bytes(got).decode(),
        )
        self._enrolments.take(got.index, [raw])
        self._enrolments.keep_reply(reply, Certificate(record.certificate_sha256, ca.expiry(pem)), now)
        return reply

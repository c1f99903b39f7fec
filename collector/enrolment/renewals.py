"""Renewal of client certificates: by the connection that proves the agent, or by the host's signing key."""

from __future__ import annotations

from cryptography import x509

from evidence import dsse
from evidence.enrolment import RenewalReply
from evidence.errors import BadSignature

from .. import ca
from ..ca import Authority
from ..errors import Denied
from . import claim
from .enrolments import Certificate, Enrolment, Enrolments
from .nonces import Nonces

RENEWABLE = 90 * 86_400 * 1_000_000_000
"""Nanoseconds after its expiry in which the host's key still renews a certificate."""


class Renewals:
    """Renews against one CA; threads may share it."""

    def __init__(self, authority: Authority, enrolments: Enrolments, client_days: int) -> None:
        self._authority = authority
        self._enrolments = enrolments
        self._days = client_days

    def by_certificate(self, agent: str, body: bytes, now: int) -> RenewalReply:
        """Renew for agent, which the TLS connection has proved to be.

        Raises:
            Refused: the body is no request at all.
            Denied: unknown or revoked agent, or the CSR does not hold.
        """
        csr = claim.read_renewal_csr(body)
        return self._issue(csr, self._known(agent), now)

    def by_key(self, body: bytes, nonces: Nonces, now: int) -> tuple[str, RenewalReply]:
        """Renew for a host that proves its signing key; return agent and reply.

        Raises:
            Refused: the body is no request at all.
            Denied: unknown or revoked agent, wrong epoch, nonce or signature, or expired too long ago.
        """
        asked = claim.read_renewal(body)
        nonces.use(asked.proof.nonce, now)
        known = self._known(asked.proof.agent)
        if asked.proof.epoch != known.epoch:
            raise Denied(f"agent {known.agent}: epoch {asked.proof.epoch}, its key is of epoch {known.epoch}")
        try:
            dsse.check(asked.envelope, bytes.fromhex(known.public))
        except BadSignature as error:
            raise Denied(f"agent {known.agent}: {error}") from error
        last = self._enrolments.certificate(known.agent)
        if now - (last.expires if last else known.time) > RENEWABLE:
            raise Denied(f"agent {known.agent}: its certificate expired more than 90 days ago")
        return known.agent, self._issue(asked.csr, known, now)

    def _known(self, agent: str) -> Enrolment:
        known = self._enrolments.find(agent)
        if known is None:
            raise Denied(f"agent {agent}: unknown")
        if known.revoked is not None:
            raise Denied(f"agent {agent}: revoked")
        return known

    def _issue(self, csr: x509.CertificateSigningRequest, known: Enrolment, now: int) -> RenewalReply:
        pem = self._authority.issue_client(csr, known.agent, now, self._days)
        self._enrolments.keep_certificate(
            known.agent, Certificate(ca.certificate_digest(pem), ca.expiry(pem))
        )
        return RenewalReply(pem, self._authority.bundle())

"""Ship's side of a renewal: by certificate while it is valid, by the host key's proof once it has expired."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import msgspec

from evidence import endpoints
from evidence.enrolment import Renewal, RenewalReply

from ..errors import DeliveryError
from ..layout import Layout
from ..settings import Collector
from ..spool.disk import Disk
from . import certificate_life, renewal, tls
from .certificate_life import Life
from .channel import Channel
from .renewal import Asked

EVERY = 60.0
"""Seconds between two looks at the certificate, or two tries."""
_SOON = 1.0
_WAIT = 90.0
"""Seconds watch has to sign; a nonce is worth two minutes."""
_OK = 200
_JSON = {"Content-Type": "application/json"}


class Renewer:
    """Renews the certificate when it is due. `secret` is the disk that writes 0600 files."""

    def __init__(
        self,
        layout: Layout,
        collector: Collector,
        channel: Channel,
        *,
        shared: Disk,
        secret: Disk,
        clock: Callable[[], float],
    ) -> None:
        """Take the places of the certificate, the two listeners and UTC seconds."""
        self._layout, self._collector, self._channel = layout, collector, channel
        self._shared, self._secret, self._clock = shared, secret, clock
        self._asked: tuple[Asked, bytes, float] | None = None
        self._next = 0.0
        self.problem: str | None = None

    def tick(self) -> float:
        """Do what is due now and return the seconds until the next call is worth it."""
        now = self._clock()
        if now < self._next:
            return self._next - now
        pause = EVERY
        try:
            pause = self._step(now)
            self.problem = None
        except (OSError, ValueError, DeliveryError) as error:
            self._asked = None
            self.problem = f"certificate: cannot be renewed: {error}"[:500]
        self._next = now + pause
        return pause

    def life(self) -> Life | None:
        """Return the current certificate's time, None if it cannot be read."""
        with contextlib.suppress(OSError, ValueError):
            return certificate_life.life(self._layout.certificate)
        return None

    def _step(self, now: float) -> float:
        current = certificate_life.life(self._layout.certificate)
        if not current.due(now):
            return EVERY
        if self._asked is not None:
            return self._finish(*self._asked, now=now)
        from . import tls_key  # noqa: PLC0415 - seldom needed, and large

        key = tls_key.new_key()
        csr = tls_key.request(key, "vedette-agent")
        if current.expired(now):
            asked = Asked(self._nonce(), csr)
            self._shared.replace(self._layout.inbox / renewal.FILE, msgspec.json.encode(asked), durable=False)
            self._asked = (asked, key, now)
            return _SOON
        reply = self._channel.post(endpoints.RENEW, msgspec.json.encode(Renewal(csr, "")), _JSON)
        if reply.status != _OK:
            raise DeliveryError(reply.problem or f"HTTP {reply.status}: {reply.body[:200]!r}")
        self._keep(key, reply.body)
        return EVERY

    def _finish(self, asked: Asked, key: bytes, since: float, *, now: float) -> float:
        """Post the proof once watch has signed it."""
        proof = renewal.read_answer(self._shared, self._layout, asked)
        if proof is None:
            if now - since > _WAIT:
                raise DeliveryError("watch did not sign the renewal; is it running?")
            return _SOON
        self._asked = None
        body = msgspec.json.encode(Renewal(asked.csr, proof))
        self._keep(key, self._enrolment("POST", endpoints.RENEW, body))
        return EVERY

    def _nonce(self) -> str:
        raw = self._enrolment("GET", endpoints.NONCE, None)
        try:
            return msgspec.json.decode(raw, type=dict[str, str])["nonce"]
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError) as error:
            raise DeliveryError(f"{self._collector.enrol}: no nonce in the answer") from error

    def _enrolment(self, method: str, path: str, body: bytes | None) -> bytes:
        """Ask the enrolment listener, which wants no client certificate."""
        made = tls.context(self._layout.ca.read_text())
        with tls.Connection(self._collector.enrol, made, self._collector.timeout) as connection:
            answer = connection.ask(method, path, body, _JSON)
        if answer.status != _OK:
            raise DeliveryError(f"HTTP {answer.status}: {answer.body[:200]!r}")
        return answer.body

    def _keep(self, key: bytes, raw: bytes) -> None:
        """Keep what was issued, anchors first; each file is replaced as a whole.

        Raises:
            DeliveryError: the answer is no renewal, or its certificate is not for our key.
        """
        from . import tls_key  # noqa: PLC0415 - seldom needed, and large

        try:
            reply = msgspec.json.decode(raw, type=RenewalReply)
            tls_key.check(key, reply.certificate, reply.ca)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
            raise DeliveryError(f"the answer holds no certificate for us: {error}") from error
        self._secret.replace(self._layout.ca, reply.ca.encode())
        self._secret.replace(self._layout.certificate, key + reply.certificate.encode())

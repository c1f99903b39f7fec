"""Nonces for enrolment and renewal: single use, valid for two minutes, and free to give away.

A nonce is its time, 16 random bytes and a MAC of both under a key of this process alone, so whoever asks for
a million of them fills no table; only those that come back are remembered, until they would have expired.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections import OrderedDict

from ..errors import Denied

LIFETIME = 120 * 1_000_000_000
"""Nanoseconds a nonce may be used for."""
_REMEMBERED = 100_000
_TIME, _RANDOM, _MAC = 8, 16, 16


class Nonces:
    """Gives and takes nonces; times are UTC ns."""

    def __init__(self, key: bytes) -> None:
        """Take a key of this process; nonces of an earlier one are worth nothing."""
        self._key = key
        self._used: OrderedDict[bytes, int] = OrderedDict()

    def issue(self, now: int) -> str:
        """Return a nonce, 54 characters of base64url."""
        body = now.to_bytes(_TIME, "big") + secrets.token_bytes(_RANDOM)
        return base64.urlsafe_b64encode(body + self._mac(body)).decode().rstrip("=")

    def use(self, nonce: str, now: int) -> None:
        """Take a nonce; it cannot be used again.

        Raises:
            Denied: it is none of ours, too old, or was used.
        """
        try:
            raw = base64.b64decode(nonce.encode() + b"=" * (-len(nonce) % 4), b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise Denied("nonce: not base64url") from error
        body, mac = raw[: _TIME + _RANDOM], raw[_TIME + _RANDOM :]
        if not hmac.compare_digest(mac, self._mac(body)):
            raise Denied("nonce: not issued by this process")
        issued = int.from_bytes(body[:_TIME], "big")
        if not 0 <= now - issued <= LIFETIME:
            raise Denied("nonce: too old")
        self._forget(now)
        if body in self._used:
            raise Denied("nonce: used before")
        if len(self._used) >= _REMEMBERED:
            raise Denied("nonce: too many are in use")
        self._used[body] = issued

    def _forget(self, now: int) -> None:
        """Drop used nonces that are too old anyway; use is not in order of issue, so some stay longer."""
        while self._used and now - next(iter(self._used.values())) > LIFETIME:
            self._used.popitem(last=False)

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, hashlib.sha256)[:_MAC]

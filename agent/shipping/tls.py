"""HTTPS as ship and enrolment need it: TLS 1.3, a pinned bundle of anchors, nothing from the environment.

On the standard library's http.client: a library above it would hold six more megabytes in ship for good.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401 - names are looked up by it: ship can load nothing once root is given up
import http.client
import select
import ssl
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from ..version import VERSION

REPLY_LIMIT = 128 << 10
"""Bytes of an answer; none of ours is longer."""


class Answer(msgspec.Struct, frozen=True):
    """What came back: status, headers by name in lower case, at most REPLY_LIMIT bytes of the body."""

    status: int
    headers: dict[str, str]
    body: bytes


def context(anchors: str, certificate: Path | None = None) -> ssl.SSLContext:
    """Return a context that trusts anchors (PEM) alone and shows certificate, a PEM file with its key.

    Raises:
        OSError: the certificate cannot be read or is not one with its key (ssl.SSLError is an OSError).
        ValueError: anchors hold no certificate.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.load_verify_locations(cadata=anchors)
    if certificate is not None:
        made.load_cert_chain(certificate)
    return made


class Connection:
    """One connection to one listener, opened by the first request and kept open; no redirect is followed."""

    def __init__(self, base: str, made: ssl.SSLContext, timeout: float) -> None:
        """Take the listener's https:// address, which may have a path, and seconds for each wait.

        Raises:
            ValueError: base is no https:// address.
        """
        parts = urllib.parse.urlsplit(base)
        if parts.scheme != "https" or not parts.hostname:
            raise ValueError(f"{base!r} is no https:// address")
        self._path = parts.path.rstrip("/")
        self._http = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout, context=made)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """Send a request and return the answer. After an error the next request opens a new connection.

        Raises:
            OSError: no answer that is one came (TLS, time and protocol included).
        """
        if self._is_stale():
            self.close()
        try:
            self._http.request(
                method, self._path + path, body, {**headers, "User-Agent": f"vedette-agent/{VERSION}"}
            )
            with self._http.getresponse() as response:
                answer = _read(response)
                if not response.isclosed():
                    self.close()  # the rest is not read, so nothing more can be asked here
                return answer
        except http.client.HTTPException as error:
            self.close()
            raise ConnectionError(f"no HTTP answer: {str(error) or type(error).__name__}") from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; the next request opens one."""
        self._http.close()

    def fileno(self) -> int | None:
        """Return the descriptor that becomes readable when the other side ends the connection."""
        return None if self._http.sock is None else self._http.sock.fileno()

    def keep_open(self) -> None:
        """Make the connection anew if it ended while nothing was asked: who is away is taken for silenced.

        Raises:
            OSError: it could not be made.
        """
        if self._is_stale():
            self.close()
        if self._http.sock is None:
            try:
                self._http.connect()
            except BaseException:
                self.close()  # else a socket without TLS would be taken for the connection
                raise

    def _is_stale(self) -> bool:
        """Return whether the other side has ended the connection while nothing was asked."""
        sock = self._http.sock
        if sock is None or not select.select([sock], [], [], 0)[0]:
            return False
        before = sock.gettimeout()
        sock.settimeout(0)
        try:
            sock.recv(1)
        except ssl.SSLWantReadError:  # a session ticket, which is no end
            sock.settimeout(before)
            return False
        except OSError:
            pass
        return True


def _read(response: http.client.HTTPResponse) -> Answer:
    body = response.read(REPLY_LIMIT)
    if response.length and len(body) < REPLY_LIMIT:
        raise ConnectionError(f"the answer ends {response.length} bytes early")
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)

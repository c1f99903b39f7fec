"""HTTPS as ship and enrolment need it: TLS 1.3, a pinned bundle of anchors, nothing from the environment."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from .version import VERSION

REPLY_LIMIT = 128 << 10
"""Bytes of an answer; none of ours is longer."""


class _Adapter(HTTPAdapter):
    """Connections made with one TLS context."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)


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


def session(made: ssl.SSLContext, anchors: Path) -> requests.Session:
    """Return a session over one context.

    requests loads `verify` into the context again, so anchors must be the same bundle; trust_env is off, or
    REQUESTS_CA_BUNDLE and proxies of the environment would defeat the pin.
    """
    opened = requests.Session()
    opened.trust_env = False
    opened.verify = str(anchors)
    opened.headers.update({"User-Agent": f"vedette-agent/{VERSION}", "Accept-Encoding": "identity"})
    opened.mount("https://", _Adapter(made))
    return opened


def body(response: requests.Response) -> bytes:
    """Return a streamed answer's body, at most REPLY_LIMIT bytes of it."""
    parts: list[bytes] = []
    size = 0
    for part in response.iter_content(65_536):
        parts.append(part)
        size += len(part)
        if size >= REPLY_LIMIT:
            response.close()
            break
    return b"".join(parts)[:REPLY_LIMIT]

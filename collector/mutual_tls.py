"""uvicorn's protocol, with the client certificate of the connection shown to the application."""

from __future__ import annotations

import asyncio
from typing import Any

from cryptography import x509
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from . import ca

EXTENSION = "vedette.peer"
"""Key in the ASGI scope's extensions; its ``agent`` is the agent of the certificate, or None."""


class MutualTlsProtocol(HttpToolsProtocol):
    """Reads the certificate once for each connection, after the handshake has verified it."""

    _agent: str | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection."""
        super().connection_made(transport)
        self._agent = _agent(transport.get_extra_info("ssl_object"))

    def on_headers_complete(self) -> None:
        """Tell the application whose connection it is, then go on as before."""
        extensions: dict[str, Any] = self.scope.setdefault("extensions", {})
        extensions[EXTENSION] = {"agent": self._agent}
        super().on_headers_complete()


def _agent(tls: Any) -> str | None:
    certificate = None if tls is None else tls.getpeercert(binary_form=True)
    if certificate is None:
        return None
    try:
        return ca.agent_of(x509.load_der_x509_certificate(certificate))
    except ValueError:
        return None

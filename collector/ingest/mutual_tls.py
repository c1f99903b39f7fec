"""uvicorn's protocol, with the client certificate shown to the application and bodies handed over whole."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from .. import ca
from ..clock import Clock
from .presence import Presence
from .verify import BODY_LIMIT

EXTENSION = "vedette.peer"
"""Key of an `Arriving` in the ASGI scope's extensions."""

_READ_BYTES = 256 << 10
_FAREWELL_SECONDS = 0.5


@dataclass(slots=True)
class Arriving:
    """What the connection knows of a request.

    agent is the one its certificate names, if it does. is_whole: all of the body has come, so that `receive`
    gives it at once.
    """

    agent: str | None
    is_whole: bool = False


class MutualTlsProtocol(HttpToolsProtocol):
    """Reads the certificate once for each connection, after the handshake has verified it.

    A body of up to BODY_LIMIT is gathered here and given to the application at once: that saves three copies
    of it, and a wake-up for each piece. What is longer goes on in pieces, and is refused there.
    """

    def __init__(self, presence: Presence, clock: Clock, **options: Any) -> None:
        super().__init__(**options)
        self._presence, self._clock = presence, clock
        self._agent: str | None = None
        self._arriving = Arriving(None)
        self._pieces: list[bytes] = []
        self._size = 0
        self._stopping = False
        self._by_us = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection."""
        super().connection_made(transport)
        self._agent = _agent(transport.get_extra_info("ssl_object"))
        if self._agent is not None:
            self._presence.came(self._agent)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note whose connection ended, and by whom."""
        if self._agent is not None:
            clock = self._clock
            self._presence.went(self._agent, by_us=self._by_us, time=clock.now(), now=clock.monotonic())
        super().connection_lost(exc)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection on which nothing was asked for long."""
        self._by_us = True
        super().timeout_keep_alive_handler()

    def on_headers_complete(self) -> None:
        """Tell the application whose connection it is, then go on as before."""
        extensions: dict[str, Any] = self.scope.setdefault("extensions", {})
        self._arriving = extensions[EXTENSION] = Arriving(self._agent)
        self._drop()
        super().on_headers_complete()
        if self.scope["method"] != "HEAD":
            self.cycle.transport = _AtOnce(self.cycle)  # type: ignore[assignment]  # all that it calls is there

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body, unless the answer was given already."""
        if self.cycle.response_complete:
            self._drop()
            return
        self._pieces.append(body)
        self._size += len(body)
        if self._size > BODY_LIMIT:
            super().on_body(b"".join(self._pieces))
            self._drop()

    def on_message_complete(self) -> None:
        """Hand over the body."""
        if self._pieces and not self.cycle.response_complete:
            whole = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            # uvicorn gives the application bytes(body), which copies a bytearray but not bytes.
            self.cycle.body = self.cycle.body + whole if self.cycle.body else whole  # type: ignore[assignment]
        self._drop()
        self._arriving.is_whole = True
        super().on_message_complete()

    def shutdown(self) -> None:
        """Close the connection, at once if it is idle, else after its answer."""
        super().shutdown()
        self._stopping = self._by_us = True
        if self.transport.is_closing():
            self._hang_up()

    def on_response_complete(self) -> None:
        """Go on as before, or hang up."""
        super().on_response_complete()
        self._by_us = self._by_us or self.transport.is_closing()
        if self._stopping:
            self._hang_up()

    def _hang_up(self) -> None:
        """Do not wait for the peer's goodbye: an idle agent does not read, so it would come late or never."""
        self.loop.call_later(_FAREWELL_SECONDS, self.transport.abort)

    def _drop(self) -> None:
        self._pieces = []
        self._size = 0


class _AtOnce:
    """The transport of one response: its head waits for its body, for one TLS record and one system call."""

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._transport = cycle.transport
        self._head = b""
        self.is_closing = self._transport.is_closing
        self.close = self._transport.close

    def write(self, data: bytes) -> None:
        """Keep the head, which uvicorn writes by itself; send everything else, after it."""
        if self._cycle.response_started and not self._head:
            self._head = data
        else:
            self._transport.write(self._head + data)


class Connections:
    """Makes each connection's protocol; all read into one buffer, which is empty again after each read.

    A protocol that brings a buffer has TLS decrypt into it. Without one, each record of 16 KiB gets 256 KiB
    from the kernel first and gives the rest back, which costs more than decrypting it.
    """

    def __init__(self, presence: Presence, clock: Clock) -> None:
        self._buffer = memoryview(bytearray(_READ_BYTES))
        self._presence, self._clock = presence, clock

    def __call__(self, **options: Any) -> asyncio.BufferedProtocol:
        """Return the protocol of a new connection; options are those of uvicorn's protocols."""
        return _Buffered(MutualTlsProtocol(self._presence, self._clock, **options), self._buffer)


class _Buffered(asyncio.BufferedProtocol):
    """Feeds a protocol from a buffer."""

    def __init__(self, protocol: MutualTlsProtocol, buffer: memoryview) -> None:
        self._protocol = protocol
        self._buffer = buffer
        self.connection_lost = protocol.connection_lost  # type: ignore[method-assign]
        self.pause_writing = protocol.pause_writing  # type: ignore[method-assign]
        self.resume_writing = protocol.resume_writing  # type: ignore[method-assign]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self._protocol.connection_made(transport)  # type: ignore[arg-type]

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Return where to decrypt to."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Parse what came; the parser copies what is to stay."""
        self._protocol.data_received(self._buffer[:nbytes])  # type: ignore[arg-type]  # any buffer will do


def _agent(tls: Any) -> str | None:
    certificate = None if tls is None else tls.getpeercert(binary_form=True)
    if certificate is None:
        return None
    try:
        return ca.agent_of(x509.load_der_x509_certificate(certificate))
    except ValueError:
        return None

"""A small DNS server for tests, on one UDP and one TCP port: every name has the same addresses."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from types import TracebackType
from typing import Self

from agent.decode import dns
from tests.property.dns_wire import AAAA, RESPONSE, TXT, A, address, message, pointer, question, record

NXDOMAIN, TTL = 3, 77
_KINDS = {"A": A, "AAAA": AAAA, "TXT": TXT}


class DnsServer:
    """Names with "silent" in them get no answer, those with "nobody" do not exist."""

    def __init__(self, host: str, port: int = 0, *, addresses: tuple[str, ...] = ()) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._addresses = addresses
        self._listener = socket.create_server((host, port), family=family)
        self.host, self.port = host, int(self._listener.getsockname()[1])
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.bind((host, self.port))
        self._stop, self._stopped = socket.socketpair()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.close()
        self._thread.join()
        for each in (self._stopped, self._socket, self._listener):
            each.close()

    def send(self, raw: bytes, to: tuple[str, int]) -> None:
        """Send from the server's UDP port what nobody asked for."""
        self._socket.sendto(raw, to)

    def answer(self, raw: bytes) -> bytes | None:
        """Return what is answered to a question."""
        asked = dns.parse(raw)
        kind = _KINDS[asked.type]
        if "silent" in asked.name:
            return None
        if "nobody" in asked.name:
            return message(asked.id, question(asked.name, kind), flags=RESPONSE | NXDOMAIN)
        fitting = [one for one in self._addresses if (":" in one) == (kind == AAAA)]
        records = tuple(record(pointer(12), kind, address(one), ttl=TTL) for one in fitting)
        return message(asked.id, question(asked.name, kind), records, flags=RESPONSE | 0x180)

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            for each in (self._stopped, self._socket, self._listener):
                selector.register(each, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if self._stopped in ready:
                    return
                if self._socket in ready:
                    raw, peer = self._socket.recvfrom(4096)
                    with contextlib.suppress(ValueError):
                        if answer := self.answer(raw):
                            self._socket.sendto(answer, peer)
                if self._listener in ready:
                    self._serve_tcp()

    def _serve_tcp(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            raw = connection.recv(4096)
            if answer := self.answer(raw[2:]):
                connection.sendall(struct.pack("!H", len(answer)) + answer)

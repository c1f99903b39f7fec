"""A receiver of uploads on one address: takes HTTP PUT, counts the bytes, notes what came from where.

Inside a network namespace it stands for a server on the internet:
``python -m range.receiver ADDRESS PORT FILE [raw]``, where FILE gets a line of JSON for each upload; raw
takes what comes, until the sender ends, and answers nothing.
"""

from __future__ import annotations

import json
import socketserver
import sys
from pathlib import Path

_CHUNK = 1 << 16
_HEAD_LIMIT = 1 << 16
_SECONDS = 30


class _Upload(socketserver.BaseRequestHandler):
    """One connection: reads a request to its end, answers 200, and reports the bytes it was sent."""

    def handle(self) -> None:
        self.request.settimeout(_SECONDS)
        received, head, wanted = 0, b"", None
        while wanted is None or received < wanted:
            chunk = self.request.recv(_CHUNK)
            if not chunk:
                break
            received += len(chunk)
            if wanted is None:
                head += chunk
                wanted = _expected(head)
                if b"expect: 100-continue" in head.lower() and wanted is not None:
                    self.request.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        # Noted first: who was answered may at once ask what was received.
        _note({"from": self.client_address[0], "port": self.client_address[1], "bytes": received})
        self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def _note(said: dict[str, object]) -> None:
    with Path(sys.argv[3]).open("a") as file:
        file.write(json.dumps(said) + "\n")


def _expected(head: bytes) -> int | None:
    """Return the whole request's length in bytes, once its head is there."""
    end = head.find(b"\r\n\r\n")
    if end < 0:
        return 0 if len(head) > _HEAD_LIMIT else None
    for line in head[:end].split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return end + 4 + int(value)
    return end + 4


class _Raw(socketserver.BaseRequestHandler):
    """One connection of any protocol: counts what it is sent."""

    def handle(self) -> None:
        self.request.settimeout(_SECONDS)
        received = 0
        while chunk := self.request.recv(_CHUNK):
            received += len(chunk)
        _note({"from": self.client_address[0], "port": self.client_address[1], "bytes": received})


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def main() -> int:
    """Listen on the address and port of the command line until killed."""
    handler = _Raw if sys.argv[4:] == ["raw"] else _Upload
    with _Server((sys.argv[1], int(sys.argv[2])), handler) as server:
        _note({"listening": server.server_address[1]})
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())

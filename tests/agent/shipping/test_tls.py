"""The HTTPS connection: kept open, opened again when it ended, strict about what is no answer."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.shipping import tls
from tests.agent.fake_collector import Ca

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Word: Yes\r\n\r\nok"


class Server:
    """Answers the requests of each connection with the scripted bytes, then ends the connection."""

    def __init__(self, context: ssl.SSLContext, script: list[list[bytes]]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(60.0)
        self._context, self._script = context, script
        self.requests: list[bytes] = []
        self.ended = threading.Semaphore(0)
        self.base = f"https://127.0.0.1:{self._listener.getsockname()[1]}/below"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        for answers in self._script:
            plain, _ = self._listener.accept()
            with contextlib.suppress(OSError), self._context.wrap_socket(plain, server_side=True) as wrapped:
                for answer in answers:
                    self.requests.append(_request(wrapped))
                    wrapped.sendall(answer)
            self.ended.release()

    def close(self) -> None:
        self._thread.join()
        self._listener.close()


def _request(wrapped: ssl.SSLSocket) -> bytes:
    head, body = b"", b""
    while b"\r\n\r\n" not in head:
        head += _some(wrapped, 1)
    length = next((int(line[15:]) for line in head.splitlines() if line.startswith(b"Content-Length:")), 0)
    while len(body) < length:
        body += _some(wrapped, length - len(body))
    return head + body


def _some(wrapped: ssl.SSLSocket, count: int) -> bytes:
    if not (found := wrapped.recv(count)):
        raise ConnectionError("ended within a request")
    return found


@contextlib.contextmanager
def connected(folder: Path, *script: list[bytes]) -> Iterator[tuple[Server, tls.Connection]]:
    ca = Ca()
    chain = folder / "server.pem"
    chain.write_bytes(ca.server())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    server = Server(context, list(script))
    try:
        with tls.Connection(server.base, tls.context(ca.pem), 20.0) as connection:
            yield server, connection
    finally:
        server.close()


def test_two_requests_go_through_one_connection_below_the_base(tmp_path: Path) -> None:
    with connected(tmp_path, [OK, OK]) as (server, connection):
        first = connection.ask("POST", "/batches", b"{}", {"X-Mine": "1"})
        assert first == connection.ask("POST", "/batches", b"{}", {"X-Mine": "1"})
    assert (first.status, first.body, first.headers["x-word"]) == (200, b"ok", "Yes")
    assert len(server.requests) == 2
    assert server.requests[0].startswith(b"POST /below/batches HTTP/1.1\r\n")
    assert b"\r\nX-Mine: 1\r\n" in server.requests[0]
    assert b"\r\nAccept-Encoding: identity\r\n" in server.requests[0]


def test_a_connection_that_the_other_side_ended_is_opened_again(tmp_path: Path) -> None:
    with connected(tmp_path, [OK], [OK]) as (server, connection):
        connection.ask("GET", "/", None, {})
        server.ended.acquire()
        select.select([connection._http.sock], [], [])  # noqa: SLF001 - until the end has arrived here
        assert connection.ask("GET", "/", None, {}).body == b"ok"


def test_a_connection_is_kept_open_between_requests(tmp_path: Path) -> None:
    with connected(tmp_path, [OK], [OK]) as (server, connection):
        assert connection.fileno() is None
        connection.ask("GET", "/", None, {})
        server.ended.acquire()
        select.select([connection._http.sock], [], [])  # noqa: SLF001 - until the end has arrived here
        connection.keep_open()
        made = connection.fileno()
        connection.keep_open()  # the session ticket that comes now is no end
        select.select([connection._http.sock], [], [])  # noqa: SLF001 - until it has come
        connection.keep_open()
        assert connection.fileno() == made
        assert connection.ask("GET", "/", None, {}).body == b"ok"


def test_where_nobody_listens_a_connection_is_not_kept_open(tmp_path: Path) -> None:
    with connected(tmp_path, [OK]) as (server, connection):
        connection.ask("GET", "/", None, {})
        server.close()
        with pytest.raises(OSError, match=r"."):
            connection.keep_open()
        assert connection.fileno() is None


def test_a_redirect_is_an_answer_and_not_followed(tmp_path: Path) -> None:
    away = b"HTTP/1.1 302 Found\r\nLocation: https://198.51.100.1/\r\nContent-Length: 0\r\n\r\n"
    with connected(tmp_path, [away]) as (_, connection):
        assert connection.ask("GET", "/", None, {}).status == 302


def test_of_an_answer_that_is_too_long_the_first_bytes_are_read_and_no_more(tmp_path: Path) -> None:
    length = tls.REPLY_LIMIT + 1
    long = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + b"x" * length
    with connected(tmp_path, [long], [OK]) as (_, connection):
        assert connection.ask("GET", "/", None, {}).body == b"x" * tls.REPLY_LIMIT
        assert connection.ask("GET", "/", None, {}).body == b"ok"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 2\0\r\n\r\n",
    ],
)
def test_what_is_no_answer_is_an_oserror_and_the_next_request_is_made_anew(
    tmp_path: Path, answer: bytes
) -> None:
    with connected(tmp_path, [answer], [OK]) as (_, connection):
        with pytest.raises(OSError, match=r"."):
            connection.ask("GET", "/", None, {})
        assert connection.ask("GET", "/", None, {}).body == b"ok"


def test_nothing_is_sent_to_a_server_that_the_anchors_do_not_vouch_for(tmp_path: Path) -> None:
    with connected(tmp_path, [OK]) as (server, _):
        other = tls.Connection(server.base, tls.context(Ca().pem), 20.0)
        with pytest.raises(ssl.SSLCertVerificationError):
            other.ask("POST", "/", b"secret", {})
    assert server.requests == []


@pytest.mark.parametrize("base", ["http://127.0.0.1:7443", "127.0.0.1:7443", "https://", ""])
def test_an_address_that_is_not_https_is_refused(base: str) -> None:
    with pytest.raises(ValueError, match="no https:// address"):
        tls.Connection(base, tls.context(Ca().pem), 1.0)

"""The collector's API over HTTPS: the pinned CA alone is believed, and every failure says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import requests

from . import login_file
from .command import Call
from .errors import ClientError, NotLoggedIn, Refusal, Unreachable
from .version import VERSION

CONNECT_SECONDS = 10.0
READ_SECONDS = 120.0
ANSWER_LIMIT = 256 << 20
"""Bytes of an answer that is held in memory."""
_CHUNK = 1 << 16
_UNAUTHORIZED = 401


class Api:
    """A session with one collector."""

    def __init__(self, url: str, ca: Path, token: str | None = None) -> None:
        """Take the collector's address and the file of the CA that signed its certificate.

        Raises:
            ClientError: the address is not https, for nothing of Vedette listens without TLS.
        """
        if not url.startswith("https://"):
            raise ClientError(f"{url}: the collector's address begins with https://")
        self._url = url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # neither a proxy nor REQUESTS_CA_BUNDLE from the environment
        self._session.verify = str(ca)
        self._session.headers["User-Agent"] = f"vedette/{VERSION}"
        if token is not None:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, **parameters: Any) -> Any:
        """Return the answer to a GET, decoded; parameters that are None are left out.

        Raises:
            NotLoggedIn, Refusal, Unreachable: by what went wrong.
        """
        with self._ask("GET", path, params=_given(parameters)) as reply:
            return _decoded(reply)

    def post(self, path: str, body: Any = None) -> Any:
        """Return the answer to a POST, decoded; raises as `get`."""
        data = b"" if body is None else msgspec.json.encode(body)
        with self._ask("POST", path, data=data, headers={"Content-Type": "application/json"}) as reply:
            return _decoded(reply)

    @contextmanager
    def stream(self, path: str, **parameters: Any) -> Iterator[Iterator[bytes]]:
        """Give the answer to a GET in parts; raises as `get`, also when the answer breaks off."""
        with self._ask("GET", path, params=_given(parameters)) as reply:
            yield _parts(reply)

    @contextmanager
    def _ask(self, method: str, path: str, **more: Any) -> Iterator[requests.Response]:
        try:
            reply = self._session.request(
                method,
                self._url + path,
                stream=True,
                allow_redirects=False,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                **more,
            )
        except requests.exceptions.SSLError as error:
            raise Unreachable(
                f"{self._url}: its certificate is not from the CA of this login ({_cause(error)}); "
                "check the address, or log in again with the collector's --ca FILE"
            ) from error
        except (requests.exceptions.RequestException, OSError) as error:
            raise Unreachable(
                f"{self._url}: cannot be reached ({_cause(error)}); "
                "is `vedette-collector serve` running there?"
            ) from error
        with reply:
            _check(reply)
            yield reply


def connect(call: Call) -> Api:
    """Return a session as the user who is logged in.

    Raises:
        NotLoggedIn: nobody is.
    """
    login = login_file.read(call.folder)
    return Api(login.url, login_file.ca_file(call.folder), login.token)


def _given(parameters: dict[str, Any]) -> dict[str, str]:
    names = {"begin": "from", "end": "to"}
    return {
        names.get(name, name): str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in parameters.items()
        if value is not None
    }


def _check(reply: requests.Response) -> None:
    if reply.ok:
        return
    try:
        problem = _decoded(reply)
        code, message = str(problem["code"]), str(problem["message"])
    except (ClientError, KeyError, TypeError):
        code, message, problem = "fault", f"the collector answered {reply.status_code}", {}
    if reply.status_code == _UNAUTHORIZED and code == "not_logged_in":
        raise NotLoggedIn("the login is over; type: vedette login")
    raise Refusal(code, message, problem.get("field"), problem.get("retry_after"))


def _decoded(reply: requests.Response) -> Any:
    parts: list[bytes] = []
    size = 0
    for part in _parts(reply):
        size += len(part)
        if size > ANSWER_LIMIT:
            raise ClientError(f"the answer has more than {ANSWER_LIMIT >> 20} MiB; narrow it or use --limit")
        parts.append(part)
    try:
        return msgspec.json.decode(b"".join(parts))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ClientError(f"{reply.url}: the answer is no JSON; is this a Vedette collector?") from error


def _parts(reply: requests.Response) -> Iterator[bytes]:
    try:
        yield from reply.iter_content(_CHUNK)
    except (requests.exceptions.RequestException, OSError) as error:
        raise Unreachable(f"the answer broke off ({_cause(error)}); try again") from error


def _cause(error: BaseException) -> str:
    """Return the innermost reason in its own words."""
    while True:
        inner = getattr(error, "reason", None) or error.__cause__ or error.__context__
        if not isinstance(inner, BaseException):
            break
        error = inner
    return getattr(error, "strerror", None) or str(error) or type(error).__name__

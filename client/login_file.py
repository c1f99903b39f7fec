"""The login on disk: collector, user and token in one file, the CA beside it; both for the user alone."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from .errors import ClientError, NotLoggedIn


class Login(msgspec.Struct, frozen=True):
    """Where the collector is, and the token it gave; expires is UTC ns."""

    url: str
    user: str
    role: str
    token: str
    expires: int


_NAME = "login.json"


def ca_file(folder: Path) -> Path:
    """Return where the CA of the collector's certificate is kept."""
    return folder / "ca.pem"


def read(folder: Path) -> Login:
    """Return the login.

    Raises:
        NotLoggedIn: there is none.
        ClientError: the file is damaged.
    """
    try:
        return msgspec.json.decode((folder / _NAME).read_bytes(), type=Login)
    except FileNotFoundError as error:
        raise NotLoggedIn(
            "not logged in; type: vedette login --url https://COLLECTOR:7444 --ca FILE --user NAME"
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ClientError(f"{folder / _NAME}: {error}; delete it and log in again") from error


def write(folder: Path, login: Login, ca: bytes) -> None:
    """Keep the login and the CA, each replaced in one step."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _replace(ca_file(folder), ca)
    _replace(folder / _NAME, msgspec.json.encode(login))


def _replace(path: Path, content: bytes) -> None:
    new = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        new.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            new.unlink()
        raise

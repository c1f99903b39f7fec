"""`vedette login`: exchange a password for a token, and keep it with the collector's CA."""

from __future__ import annotations

import argparse
import getpass
import hashlib
import hmac
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .. import http, login_file
from ..command import FINE, Call, Command
from ..errors import ClientError, NotLoggedIn
from ..login_file import Login
from ..text import utc

_PASSWORD_LIMIT = 1024
_CA_LIMIT = 1 << 20


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", metavar="URL", help="the collector, such as https://collector:7444")
    parser.add_argument(
        "--ca", type=Path, metavar="FILE", help="PEM file of the CA that signed its certificate"
    )
    parser.add_argument(
        "--pin", metavar="SHA256", help="hex SHA-256 of the CA's public key; refuse any other"
    )
    parser.add_argument("--user", metavar="NAME", help="whom to log in")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--password-file", type=Path, metavar="FILE", help="read the password from FILE")
    where.add_argument("--password-stdin", action="store_true", help="read the password from stdin")
    parser.add_argument("--out", action="store_true", help="log out: end the token")


def _run(call: Call) -> int:
    if call.options.out:
        http.connect(call).post("/v1/logout")
        call.screen.note("logged out")
        return FINE
    former = _former(call.folder)
    url, user = call.options.url or (former and former.url), call.options.user or (former and former.user)
    if not url or not user:
        raise ClientError(
            "give --url and --user: vedette login --url https://COLLECTOR:7444 --ca FILE --user NAME"
        )
    ca = _ca(call, url if former and former.url == url else None)
    reply = _ask(url, ca, user, _password(call, user))
    login = msgspec.convert({**reply, "url": url}, Login)
    login_file.write(call.folder, login, ca)
    if call.screen.as_json:
        call.screen.value({"url": url, "user": login.user, "role": login.role, "expires": utc(login.expires)})
    else:
        call.screen.line(
            "logged in as ",
            (login.user, "bold"),
            f" ({login.role}) until {utc(login.expires)}; try: vedette status",
        )
    return FINE


def _former(folder: Path) -> Login | None:
    try:
        return login_file.read(folder)
    except NotLoggedIn:
        return None


def _ca(call: Call, known: str | None) -> bytes:
    """Return the CA in PEM: that of --ca, else the one kept for the collector that is known already."""
    path: Path | None = call.options.ca or (login_file.ca_file(call.folder) if known else None)
    if path is None:
        raise ClientError("give --ca FILE: the CA of the collector, from its administrator")
    try:
        with path.open("rb") as stream:
            raw = stream.read(_CA_LIMIT)
        certificates = x509.load_pem_x509_certificates(raw)
    except OSError as error:
        raise ClientError(f"--ca {path}: {error.strerror}") from error
    except ValueError as error:
        raise ClientError(f"--ca {path}: holds no PEM certificate") from error
    if call.options.pin is not None:
        _check_pin(certificates, call.options.pin)
    return raw


def _check_pin(certificates: list[x509.Certificate], pin: str) -> None:
    for certificate in certificates:
        spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if not hmac.compare_digest(hashlib.sha256(spki).hexdigest(), pin.strip().lower()):
            raise ClientError(
                "--ca FILE holds another key than --pin names; ask the administrator for both again"
            )


def _password(call: Call, user: str) -> str:
    if call.options.password_file is not None:
        try:
            with call.options.password_file.open(encoding="utf-8") as stream:
                return str(stream.read(_PASSWORD_LIMIT)).rstrip("\r\n")
        except OSError as error:
            raise ClientError(f"--password-file {call.options.password_file}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ClientError(f"--password-file {call.options.password_file}: {error}") from error
    if call.options.password_stdin or not sys.stdin.isatty():
        return sys.stdin.readline(_PASSWORD_LIMIT).rstrip("\r\n")
    return getpass.getpass(f"password of {user}: ")


def _ask(url: str, ca: bytes, user: str, password: str) -> dict[str, Any]:
    if not password:
        raise ClientError("the password is empty")
    with tempfile.NamedTemporaryFile(suffix=".pem") as kept:
        kept.write(ca)
        kept.flush()
        reply: dict[str, Any] = http.Api(url, Path(kept.name)).post(
            "/v1/login", {"user": user, "password": password}
        )
    return reply


COMMAND = Command("login", "log in to a collector, or out with --out", _run, _arguments)

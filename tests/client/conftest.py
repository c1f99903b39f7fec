"""A collector's API over TLS, and somebody logged in to it."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from client.cli import main
from tests.collector.api import lake, live
from tests.collector.api.live import Live

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Served:
    """A running collector, its CA, and the folder of a login as analyst."""

    live: Live
    ca: Path
    folder: Path


def certificate(folder: Path) -> tuple[Path, Path]:
    """Write a self-signed certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test collector")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("collector")
    tls = certificate(folder)
    with live.serve(folder, tls=tls) as running:
        login = tmp_path_factory.mktemp("login")
        password = folder / "password"
        password.write_text(live.PASSWORD + "\n")
        words = ["login", "--url", running.url, "--ca", str(tls[0]), "--user", "ann"]
        assert main([*words, "--password-file", str(password), "--config", str(login)]) == 0
        running.lake.add("events", lake.reached())
        yield Served(running, tls[0], login)


def run(served: Served, *words: str) -> int:
    """Run a command as the analyst who is logged in; return its exit code."""
    return main([*words, "--config", str(served.folder)])

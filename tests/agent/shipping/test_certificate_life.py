"""A certificate's times are those that a library for certificates reads."""

from __future__ import annotations

import datetime as dt
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.shipping import certificate_life, tls_key

ROOT = Path(__file__).parents[3]
TIMES = st.integers(86_400, 253_402_000_000).map(lambda seconds: dt.datetime.fromtimestamp(seconds, dt.UTC))
KEY = tls_key.new_key()


def write(path: Path, begins: dt.datetime, ends: dt.datetime) -> x509.Certificate:
    """Write a key with a certificate of its own, as ship keeps them."""
    key = serialization.load_pem_private_key(KEY, None)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "host")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())  # type: ignore[arg-type]  # it is a P-256 key
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(ends)
        .sign(key, hashes.SHA256())  # type: ignore[arg-type]  # as above
    )
    path.write_bytes(KEY + made.public_bytes(serialization.Encoding.PEM))
    return made


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TIMES, TIMES)
def test_times_are_read_to_the_second(tmp_path: Path, one: dt.datetime, other: dt.datetime) -> None:
    made = write(tmp_path / "client.pem", min(one, other), max(one, other))
    life = certificate_life.life(tmp_path / "client.pem")
    assert life.begins == made.not_valid_before_utc.timestamp()
    assert life.ends == made.not_valid_after_utc.timestamp()


@pytest.mark.parametrize("content", [b"", KEY, b"\x00" * 4096, b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_what_holds_no_certificate_is_an_error_of_the_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "client.pem").write_bytes(content)
    with pytest.raises(ssl.SSLError):
        certificate_life.life(tmp_path / "client.pem")


def test_nothing_is_loaded_to_read_it(tmp_path: Path) -> None:
    path, now = tmp_path / "client.pem", dt.datetime.now(dt.UTC)
    write(path, now, now)
    code = (
        "import sys; from pathlib import Path; from agent.shipping import certificate_life as certificate; "
        f"path = Path({str(path)!r}); before = set(sys.modules); "
        "certificate.life(path); print(*set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []

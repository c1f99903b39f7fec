from __future__ import annotations

import shutil
import ssl
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from collector import ca, identity, paths, provision, tls
from collector.errors import NotSetUp
from collector.settings import Settings

DAY = 86_400 * 10**9
NOW = 1_800_000_000 * 10**9
NAMES = ("collector.example", "192.0.2.1")


def csr() -> x509.CertificateSigningRequest:
    names = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "root of everything")])
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(names)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(ec.generate_private_key(ec.SECP256R1()), SHA256())
    )


def test_nothing_of_a_request_but_its_key_is_taken_over() -> None:
    authority = ca.generate(NOW, 3650)
    request = csr()
    issued = x509.load_pem_x509_certificate(authority.issue_client(request, "a" * 32, NOW, 14).encode())
    assert issued.subject.rfc4514_string() == f"CN={'a' * 32}"
    assert issued.public_key() == request.public_key()
    assert not issued.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = issued.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]


@pytest.mark.parametrize(
    "uri", ["urn:vedette:agent:", "urn:vedette:agent:" + "A" * 32, "urn:other:" + "a" * 32]
)
def test_a_certificate_that_names_no_agent_is_nobodys(uri: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    authority = ca.generate(NOW, 1)
    built = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(authority.certificate.not_valid_before_utc)
        .not_valid_after(authority.certificate.not_valid_after_utc)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=False)
        .sign(key, SHA256())
    )
    assert ca.agent_of(built) is None


def test_a_server_certificate_is_due_at_two_thirds_or_for_other_names_or_issuer() -> None:
    authority = ca.generate(NOW, 3650)
    pem = authority.issue_server(NAMES, NOW, 90)
    assert not ca.is_due(pem, authority, NAMES, NOW + 59 * DAY)
    assert ca.is_due(pem, authority, NAMES, NOW + 61 * DAY)
    assert ca.is_due(pem, authority, (*NAMES, "other.example"), NOW)
    assert ca.is_due(pem, ca.generate(NOW, 3650), NAMES, NOW)
    assert ca.is_due(b"", authority, NAMES, NOW)


def test_a_bundle_may_hold_two_anchors(tmp_path: Path) -> None:
    places = paths.Paths(tmp_path)
    new = ca.create(places, NOW, 3650)
    old = ca.generate(NOW, 3650)
    places.anchors.write_text(new.bundle() + old.bundle())
    opened = ca.open_authority(places)
    assert opened.bundle() == new.bundle() + old.bundle()
    assert opened.pin() == new.pin()
    tls_file = tmp_path / "server.pem"
    tls_file.write_bytes(new.issue_server(NAMES, NOW, 90))
    assert len(tls.server_context(tls_file, opened.bundle()).get_ca_certs()) == 2
    places.anchors.write_text(new.bundle() * 3)
    with pytest.raises(NotSetUp, match="do not belong together"):
        ca.open_authority(places)


def handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> bytes:
    """Return the server's certificate as a client sees it after a handshake in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    two = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (one, two, one, two):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    found = one.getpeercert(binary_form=True)
    assert found is not None
    assert one.version() == "TLSv1.3"
    return found


def test_a_renewed_certificate_is_served_without_a_new_context(tmp_path: Path) -> None:
    authority = ca.generate(time.time_ns(), 3650)
    client = ssl.create_default_context(cadata=authority.bundle())
    file = tmp_path / "server.pem"
    file.write_bytes(authority.issue_server(("localhost",), time.time_ns(), 90))
    context = tls.server_context(file)
    before = handshake(context, client)
    file.write_bytes(authority.issue_server(("localhost",), time.time_ns(), 90))
    context.load_cert_chain(file)
    assert handshake(context, client) != before


def test_older_versions_of_tls_are_refused(tmp_path: Path) -> None:
    authority = ca.generate(time.time_ns(), 3650)
    file = tmp_path / "server.pem"
    file.write_bytes(authority.issue_server(("localhost",), time.time_ns(), 90))
    client = ssl.create_default_context(cadata=authority.bundle())
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        handshake(tls.server_context(file), client)


def settings(root: Path) -> Settings:
    return Settings(state=root, origin="test.local/log")


def test_setup_again_changes_nothing(tmp_path: Path) -> None:
    made = settings(tmp_path / "state")
    places = paths.of(made)
    assert provision.provision(made, places, time.time_ns())
    files = {path: path.read_bytes() for path in places.root.rglob("*") if path.is_file()}
    assert provision.provision(made, places, time.time_ns()) == []
    assert {path: path.read_bytes() for path in places.root.rglob("*") if path.is_file()} == files
    assert {path.stat().st_mode & 0o777 for path in places.root.rglob("*") if path.is_dir()} == {0o700}
    assert {path.stat().st_mode & 0o077 for path in files} == {0}


def test_setup_takes_up_where_it_broke_off(tmp_path: Path) -> None:
    made = settings(tmp_path / "state")
    places = paths.of(made)
    provision.provision(made, places, time.time_ns())
    before = places.identity.read_bytes()
    places.identity.unlink()
    provision.provision(made, places, time.time_ns())
    assert places.identity.read_bytes() == before


@pytest.mark.parametrize("part", ["keys/ledger.key", "keys/agent.key", "keys/redaction.key", "ca"])
def test_setup_never_replaces_what_hosts_trust(tmp_path: Path, part: str) -> None:
    made = settings(tmp_path / "state")
    places = paths.of(made)
    provision.provision(made, places, time.time_ns())
    gone = places.root / part
    if gone.is_dir():
        shutil.rmtree(gone)
    else:
        gone.unlink()
    with pytest.raises(NotSetUp):
        provision.provision(made, places, time.time_ns())
    assert not gone.exists()


def test_what_is_missing_is_named_once_with_the_next_command(tmp_path: Path) -> None:
    places = paths.Paths(tmp_path)
    for read in (identity.load, identity.signer, ca.open_authority):
        with pytest.raises(NotSetUp, match="vedette-collector setup") as refused:
            read(places)
        assert str(refused.value).count(str(tmp_path)) == 1
    places.agent_key.parent.mkdir(parents=True, exist_ok=True)
    places.agent_key.write_bytes(b"short")
    with pytest.raises(NotSetUp, match=r"agent.*: .*setup"):
        identity.signer(places)

"""TLS of both listeners: version 1.3 only, certificates renewed in time and taken up without a restart."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Sequence
from pathlib import Path

from . import ca, files
from .ca import Authority
from .errors import NotSetUp
from .paths import Paths

_CHECK_SECONDS = 60.0
_log = logging.getLogger("vedette.tls")


def server_context(certificate: Path, client_anchors: str | None = None) -> ssl.SSLContext:
    """Return a context that serves the key and chain of a PEM file.

    With client_anchors (PEM) every client must show a certificate that one of them issued.

    Raises:
        NotSetUp: the file is missing or damaged.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0  # each connection shows its certificate itself
    context.set_alpn_protocols(["http/1.1"])
    if client_anchors is not None:
        context.load_verify_locations(cadata=client_anchors)
        context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_cert_chain(certificate)
    except OSError as error:
        raise NotSetUp(f"{certificate}: {error}; run `vedette-collector setup`") from error
    return context


async def keep_fresh(context: ssl.SSLContext, certificate: Path, seconds: float = _CHECK_SECONDS) -> None:
    """Take up a certificate file whenever it changes; open connections keep theirs. Never returns."""
    known = _version(certificate)
    while True:
        await asyncio.sleep(seconds)
        found = _version(certificate)
        if found == known:
            continue
        try:
            context.load_cert_chain(certificate)
        except OSError as error:
            _log.error("%s: %s; the former certificate is used on", certificate, error)
        else:
            known = found
            _log.info("%s: took up the new certificate", certificate)


def renew_server_certificates(
    paths: Paths, authority: Authority, names: Sequence[str], days: int, now: int
) -> list[Path]:
    """Write anew each listener's certificate that is missing or due; return those written. now is UTC ns."""
    written: list[Path] = []
    for path in (paths.ingest_certificate, paths.console_certificate):
        pem = path.read_bytes() if path.exists() else b""
        if ca.is_due(pem, authority, names, now):
            files.make_folder(path.parent)
            files.write(path, authority.issue_server(names, now, days))
            written.append(path)
    return written


def _version(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_ino, found.st_mtime_ns)

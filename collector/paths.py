"""Where everything is below the collector's state folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .settings import Settings


@dataclass(frozen=True)
class Paths:
    """The places below root. Folders are 0700, files of keys 0600."""

    root: Path

    @property
    def ledger(self) -> Path:
        """The ledger's folder; the process that holds its lock is its one writer."""
        return self.root / "ledger"

    @property
    def lake(self) -> Path:
        """The store's catalog and Parquet files."""
        return self.root / "lake"

    @property
    def snapshot(self) -> Path:
        """JSON: what readers see of the lake, replaced after each commit."""
        return self.root / "snapshot.json"

    @property
    def state_db(self) -> Path:
        """SQLite: tokens, users, API tokens, and projections of the ledger."""
        return self.root / "state.db"

    @property
    def organisation(self) -> Path:
        """JSON: what the operator's files told when they were read and recorded last."""
        return self.root / "organisation.json"

    @property
    def sigma(self) -> Path:
        """JSON: Sigma rules as they were parsed last, by the digests of their files."""
        return self.root / "sigma.json"

    @property
    def sigma_recorded(self) -> Path:
        """The digest of the Sigma rules that were recorded last as an act."""
        return self.root / "sigma.recorded"

    @property
    def site(self) -> Path:
        """JSON: what was found of the site's detections, by the digests of their files."""
        return self.root / "site.json"

    @property
    def site_recorded(self) -> Path:
        """The digest of the site's detections that were recorded last as an act."""
        return self.root / "site.recorded"

    @property
    def ledger_key(self) -> Path:
        """Seed of the key that signs checkpoints, 32 raw bytes."""
        return self.root / "keys" / "ledger.key"

    @property
    def agent_key(self) -> Path:
        """Seed of the key that seals the collector's own acts, 32 raw bytes."""
        return self.root / "keys" / "agent.key"

    @property
    def redaction_key(self) -> Path:
        """The fleet's key for hashes of redacted values, 32 raw bytes."""
        return self.root / "keys" / "redaction.key"

    @property
    def identity(self) -> Path:
        """The collector's own enrolment: agent, epoch and entry."""
        return self.root / "identity.json"

    @property
    def log_name(self) -> Path:
        """JSON: the ledger's name where a restore gave it a new one, and where it goes on from the old."""
        return self.root / "log.json"

    @property
    def restoring(self) -> Path:
        """The folder in which a restore makes everything; there while one is under way, or was killed."""
        return self.root / ".restoring"

    @property
    def ca(self) -> Path:
        """The folder of the certificate authority: key and anchors."""
        return self.root / "ca"

    @property
    def anchors(self) -> Path:
        """The CA certificates that hosts trust and client certificates must come from, as PEM."""
        return self.ca / "anchors.pem"

    @property
    def ingest_certificate(self) -> Path:
        """Key and certificate of the ingest listener, in one PEM file so that both change at once."""
        return self.root / "tls" / "ingest.pem"

    @property
    def console_certificate(self) -> Path:
        """Key and certificate of the listener for enrolment, API and console."""
        return self.root / "tls" / "console.pem"

    @property
    def run(self) -> Path:
        """What lives only while the collector serves: sockets, listeners, processes."""
        return self.root / "run"

    @property
    def ledger_socket(self) -> Path:
        """The AF_UNIX socket of the process that owns the ledger."""
        return self.run / "ledger.sock"

    @property
    def listeners(self) -> Path:
        """JSON: the addresses the listeners chose."""
        return self.run / "listeners.json"

    @property
    def processes(self) -> Path:
        """JSON: the process ids of the supervisor and its children."""
        return self.run / "processes.json"


def of(settings: Settings) -> Paths:
    """Return the places of these settings."""
    return Paths(settings.state)

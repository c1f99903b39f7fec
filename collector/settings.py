"""The collector's settings: one frozen record; settings_file.py reads it from TOML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
Positive = Annotated[int, msgspec.Meta(gt=0)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A section refuses keys it does not know, so that a typing error is not a silent default."""


class Listener(_Section, frozen=True):
    """Where a listener binds; nothing listens without TLS."""

    host: str = "127.0.0.1"
    port: Port = 0


class Ingest(_Section, frozen=True):
    """Limits of the ingest listener; per agent and minute where named so."""

    listen: Listener = Listener(port=7443)
    agent_batches_per_minute: Positive = 6000
    agent_bytes_per_minute: Positive = 512 << 20
    queue_batches: Positive = 4096
    queue_bytes: Positive = 256 << 20
    free_floor_bytes: Positive = 512 << 20


class Console(_Section, frozen=True):
    """The listener for enrolment, API and console."""

    listen: Listener = Listener(port=7444)
    names: tuple[str, ...] = ("localhost", "127.0.0.1")
    """DNS names and addresses the server certificate is for."""
    query_seconds: Seconds = 30.0
    query_memory_bytes: Positive = 1 << 30
    query_rows: Positive = 100_000


class Certificates(_Section, frozen=True):
    """How long what the collector's own CA issues is valid."""

    client_days: Positive = 14
    server_days: Positive = 90
    ca_days: Positive = 3650


class Pipeline(_Section, frozen=True):
    """How the pipeline commits: about once a second, or at commit_rows; and what a Sigma rule may cost."""

    commit_seconds: Seconds = 1.0
    commit_rows: Positive = 60_000
    merge_seconds: Seconds = 120.0
    checkpoint_seconds: Seconds = 30.0
    runaway_share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.25
    """Share of the pipeline's time (wall clock) beyond which one Sigma rule is a runaway; 1: none is.

    One that takes a quarter of it for minutes holds up all others, our own detections too, in a busy hour.
    """
    runaway_seconds: Seconds = 300.0
    """How long it must be over its share, in each fifth of that: a burst of new commands is no runaway."""


class Detection(_Section, frozen=True):
    """Parameters of detections by id and name, and the destinations that are the site's own."""

    parameters: dict[str, dict[str, float | int | str]] = {}
    known_destinations: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    """Networks (CIDR) of backup hosts and known services; what stays on the host is no destination."""
    people: dict[str, tuple[str, ...]] = {}
    """Person's name to the accounts and key fingerprints that are theirs."""
    sigma: Path | None = None
    """A folder of Sigma rules, as SigmaHQ lays it out; read anew when it changes. None: no Sigma rules."""
    sigma_placeholders: dict[str, tuple[str, ...]] = {}
    """The site's values for %name% in Sigma rules with the expand modifier."""
    python: Path | None = None
    """A folder of the site's own detections, which run as the collector; read anew when it changes."""
    four_eyes: bool = False
    """A decision on a rule takes effect only when another person approves it."""


class OrganisationFiles(_Section, frozen=True):
    """Where the operator tells of people, networks, hosts and windows; read anew when they change."""

    folder: Path = Path("/etc/vedette/organisation.d")
    """Its ``*.toml`` and CSV files. A folder other than this one must exist."""
    mmdb: Path | None = None
    """A database of countries by address, in MaxMind's format, for addresses that no network covers."""


class Settings(_Section, frozen=True):
    """All of the collector's settings."""

    state: Path = Path("/var/lib/vedette-collector")
    origin: str = "vedette.local/log"
    """The ledger's name in its checkpoints; one for each ledger, for ever."""
    ingest: Ingest = Ingest()
    console: Console = Console()
    certificates: Certificates = Certificates()
    pipeline: Pipeline = Pipeline()
    detection: Detection = Detection()
    organisation: OrganisationFiles = OrganisationFiles()

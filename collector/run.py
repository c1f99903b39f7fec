"""Puts the collector together: the only module that knows all parts.

`serve` binds both listeners and runs three child processes: ingest owns the ledger, pipeline owns the store,
console answers enrolment and API.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import logging
import os
import re
import secrets
import socket
import sys
import time
from collections.abc import Callable, Mapping

import msgspec

from evidence.enrolment import RenewalReply

from . import ca, console, files, identity, paths, provision, recorded, serving, tls
from .analysis import Analysis, site
from .api.routes import routes as api_routes
from .api.services import Services
from .audit.bundler import Bundler
from .enrolment import registrar, roll
from .enrolment.nonces import Nonces
from .enrolment.registrar import Registrar
from .enrolment.renewals import Renewals
from .enrolment.routes import Enrolment, Limits
from .enrolment.tokens import Tokens
from .errors import CollectorError, Denied
from .ingest import ingest_process
from .lake import snapshot
from .ledger_access.ledger_client import LedgerAccess, RemoteLedger
from .notify import notify
from .organisation import organisation_file
from .organisation import watch as organisation_watch
from .organisation.watch import OrganisationWatch
from .paths import Paths
from .pipeline import pipeline
from .policy import policies
from .policy.policies import Offers
from .rule_sources import sigma_folder, sigma_source, site_folder
from .settings import Listener, Settings
from .state_db import StateDb
from .supervisor import Part, Supervisor
from .users import Users
from .verdicts import recorded_suppressions, triage
from .verdicts.triages import Triages

_BACKLOG = 1024
_RENEWAL_CHECK_SECONDS = 3600.0
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_log = logging.getLogger("vedette.serve")


def serve(settings: Settings) -> int:
    """Run the collector until SIGTERM or SIGINT; return the exit code.

    Raises:
        NotSetUp: keys, certificates or database are missing.
        SettingsError: the operator's folder was named and is missing.
        OSError: a listener's address cannot be bound.
    """
    _log_to_stderr()
    places = paths.of(settings)
    identity.load(places)
    organisation_file.check_folder(settings.organisation)
    serving.take(places)
    renew_certificates(settings, places)
    back, front = _bind(settings.ingest.listen), _bind(settings.console.listen)
    addresses = {"ingest": _address(back), "console": _address(front)}
    parts = (
        Part("ingest", functools.partial(run_ingest, settings, back)),
        Part("pipeline", functools.partial(run_pipeline, settings)),
        Part("console", functools.partial(run_console, settings, front)),
    )
    _forget(places)
    try:
        return Supervisor(parts, functools.partial(_changed, places, addresses)).run()
    finally:
        notify("STOPPING=1")
        _forget(places)


def run_ingest(settings: Settings, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Be the process that owns the ledger."""
    offers = Offers(paths.of(settings))
    ingest_process.serve(settings, listening, ready, functools.partial(_renew, settings), offers.answer)


def run_pipeline(settings: Settings, ready: Callable[[], None]) -> None:
    """Be the process that owns the store."""
    record = organisation_watch.recorder(settings)
    told = OrganisationWatch(settings, record)
    rules, site_rules = sigma_source.watch(settings, record), site_folder.watch(settings, record)
    pipeline.serve(
        settings,
        lambda: Analysis(settings.detection, told.known, rules.rules, site_rules=site_rules.rules),
        ready,
        operator=told,
        rules=rules,
        site_rules=site_rules,
        record=record,
    )


def run_console(settings: Settings, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Be the process that answers enrolment and API."""
    places = paths.of(settings)
    ledger = RemoteLedger(places)
    context = tls.server_context(places.console_certificate)
    nonces = Nonces(secrets.token_bytes(32))
    enrolment = Enrolment(
        _registrar(settings, places, ledger, nonces),
        _renewals(settings, places),
        nonces,
        record=ledger.record,
        limits=Limits(),
    )
    duties = (
        functools.partial(tls.keep_fresh, context, places.console_certificate),
        functools.partial(_keep_renewing, settings, places),
    )
    known = organisation_watch.reader(settings)
    book = functools.partial(snapshot.book, places.snapshot)
    triages = Triages(StateDb(places.state_db))
    recorded.bring(places.ledger, triages, triage.change)
    policies.known(places)
    services = Services(
        users=Users(StateDb(places.state_db)),
        record=ledger.record,
        bundle=Bundler(places, provision.ledger_key(settings, places), time.time_ns),
        snapshot=places.snapshot,
        console=settings.console,
        clock=time.time_ns,
        suppressions=recorded_suppressions.suppressions(places),
        site=lambda: site(settings.detection, known(), book()),
        book=book,
        triages=triages,
        four_eyes=settings.detection.four_eyes,
        sigma=lambda: sigma_folder.in_force(settings),
        site_rules=functools.partial(site_folder.in_force, settings),
        site_file=functools.partial(site_folder.file_of, settings),
    )
    console.serve([*enrolment.routes(), *api_routes(services)], listening, context, duties, ready)


def renew_certificates(settings: Settings, places: Paths) -> None:
    """Write anew the listeners' certificates that are due; the processes that serve them take them up."""
    written = tls.renew_server_certificates(
        places,
        ca.open_authority(places),
        settings.console.names,
        settings.certificates.server_days,
        time.time_ns(),
    )
    for path in written:
        _log.info("%s: renewed", path)


def _registrar(settings: Settings, places: Paths, ledger: LedgerAccess, nonces: Nonces) -> Registrar:
    return Registrar(
        authority=ca.open_authority(places),
        tokens=Tokens(StateDb(places.state_db)),
        enrolments=roll.enrolments(places),
        nonces=nonces,
        ledger=ledger,
        past=roll.LedgerFiles(places),
        terms=registrar.Terms(
            client_days=settings.certificates.client_days,
            ledger_key=provision.ledger_key(settings, places),
            redaction_key=base64.b64encode(places.redaction_key.read_bytes()).decode(),
        ),
    )


def _renewals(settings: Settings, places: Paths) -> Renewals:
    return Renewals(ca.open_authority(places), roll.enrolments(places), settings.certificates.client_days)


def _renew(settings: Settings, agent: str, body: bytes) -> RenewalReply:
    """Renew over the connection that proved the agent; called in the process of ingest, now and then."""
    try:
        reply = _renewals(settings, paths.of(settings)).by_certificate(agent, body, time.time_ns())
    except Denied as error:
        _log.warning("renewal refused: %s", error)
        raise
    _log.info("agent %s renewed its certificate", agent)
    return reply


async def _keep_renewing(settings: Settings, places: Paths) -> None:
    while True:
        await asyncio.sleep(_RENEWAL_CHECK_SECONDS)
        try:
            await asyncio.to_thread(renew_certificates, settings, places)
        except (CollectorError, OSError) as error:
            _log.error("the listeners' certificates could not be renewed: %s", error)


def _changed(
    places: Paths, addresses: dict[str, Listener], processes: Mapping[str, int], complete: bool
) -> None:
    """Say which processes there are; once all serve, say so to systemd and on stderr."""
    if complete:  # before the file that says ready: who waits for that reads this next
        files.write(places.listeners, msgspec.json.encode(addresses))
    state = {"serve": os.getpid(), **processes}
    files.write(places.processes, msgspec.json.encode({"ready": complete, "processes": state}))
    if complete:
        told = ", ".join(f"{name} https://{at.host}:{at.port}" for name, at in addresses.items())
        _log.info("ready: %s", told)
        notify("READY=1")


def _forget(places: Paths) -> None:
    """Remove what says that the collector serves."""
    for path in (places.listeners, places.processes):
        path.unlink(missing_ok=True)


def _bind(listener: Listener) -> socket.socket:
    """Return a socket bound to a listener's address; the error names the address."""
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((listener.host, listener.port))
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        raise CollectorError(
            f"{listener.host}:{listener.port}: {error.strerror or error}; see `config show`"
        ) from error
    return bound


def _address(bound: socket.socket) -> Listener:
    host, port = bound.getsockname()[:2]
    return Listener(host, port)


class _OneLine(logging.Formatter):
    """One line a record: what a stranger sent cannot begin a new one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record with control characters escaped."""
        return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", super().format(record))


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)

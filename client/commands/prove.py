"""`vedette prove`: an incident as one file, and what its signed events show, checked here."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from evidence import audit, bundle
from evidence.errors import EvidenceError

from .. import http, proof_html, proof_text
from ..command import FINE, FOUND, Call, Command
from ..errors import ClientError
from ..proof import prove
from ..proof_words import conclusions
from ..text import size
from ..whole_file import copy, whole
from .verify import read_file, receipts, trust_option

_SOUND = frozenset({"verified", "consistent, not anchored"})


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("incident", nargs="?", metavar="INCIDENT", help="as `vedette incidents` shows it")
    parser.add_argument("--bundle", metavar="FILE", help="prove from this file; no server is asked")
    parser.add_argument("--out", metavar="FILE", help="where the evidence goes (INCIDENT.bundle)")
    parser.add_argument("--html", metavar="FILE", help="also write a page to print or hand on")
    trust_option(parser)


def _run(call: Call) -> int:
    options = call.options
    if (options.incident is None) == (options.bundle is None):
        raise ClientError("prove what? give an INCIDENT, or a file with --bundle FILE")
    trusted = [host for path in options.trust for host in receipts(path)]
    file = options.bundle or _fetch(call)
    try:
        opened = bundle.read(read_file(file))
    except EvidenceError as error:
        raise ClientError(f"{file}: {error}") from error
    proof = prove(opened, audit.audit(opened, trusted))
    if options.html is not None:
        with whole(Path(options.html)) as stream:
            stream.write(proof_html.page(proof).encode())
        call.screen.note(f"{options.html}: written")
    if call.screen.as_json:
        call.screen.value({**msgspec.to_builtins(proof), "conclusions": conclusions(proof), "file": file})
    else:
        proof_text.tell(call.screen, proof)
    return FINE if proof.status in _SOUND else FOUND


def _fetch(call: Call) -> str:
    """Write the incident's bundle and return where it is."""
    incident = call.options.incident
    api = http.connect(call)
    path = Path(call.options.out or f"{incident}.bundle")
    with api.stream("/v1/bundle", incident=incident) as parts, whole(path) as stream:
        written = copy(call.screen, parts, stream, str(path))
    call.screen.note(f"{path}: {size(written)}; check it anywhere: vedette prove --bundle {path}")
    return str(path)


COMMAND = Command("prove", "prove an incident: who, what left, and that nothing is missing", _run, _arguments)

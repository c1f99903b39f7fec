"""The collector's administrator as the enemy: with its disk and all its keys, one batch is made undone.

What is forged is a copy: entries, data and tree are rebuilt without the batch, the collector's own acts and
the checkpoint are signed anew with its own keys, and its own commands serve it and make the bundle. Only the
hosts' keys are out of reach.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from evidence import checkpoint, codec, dsse, entry, frame, seal, statement, tree
from evidence.checkpoint import Checkpoint, VerifierKey
from evidence.entry import EntryType
from evidence.errors import EvidenceError
from evidence.keys import PrivateKey
from evidence.statement import Seen, Statement

from .site import CommandFailed, Site, write_collector

_ENTRY = struct.Struct(">H")
_DATA = struct.Struct(">4sQQII")
_MAGIC = b"VDR1"
_SLOT = 4096


@dataclass(frozen=True)
class Kept:
    """One entry of the ledger as it lies on the disk: index, bytes, data, and when it was received."""

    index: int
    entry: bytes
    data: bytes
    received: int


def play(site: Site, alert: dict[str, Any], receipts: Path, say: Callable[[str], None]) -> None:
    """Forge the record behind alert and show what an auditor with the host's receipts says.

    Raises:
        CommandFailed: the audit did not find the forgery.
    """
    forged = Site(site.folder / "forged")
    forged.folder.mkdir()
    victim = _forge(site, forged, alert)
    name = f"agent {victim.agent}, lane {victim.lane}, sequence {victim.seq}"
    say(
        f"\nThe collector's administrator deletes one batch that {alert['host']} sent ({name}),\n"
        "and with all keys of the collector rebuilds and signs everything anew."
    )
    bundle = forged.folder / "forged.bundle"
    with forged.collecting():
        _log_in(site, forged)
        now = dt.datetime.now(dt.UTC).isoformat()
        forged.vedette("export", "--format", "bundle", "--from", "1d", "--to", now, "--out", str(bundle))
    report = site.vedette("verify", str(bundle), "--trust", str(receipts), accept=(1,))
    said = json.loads(site.vedette("verify", str(bundle), "--trust", str(receipts), "--json", accept=(1,)))
    say(f"The auditor asks again: vedette verify BUNDLE --trust RECEIPTS\n\n{report}")
    missing = {(gap["agent"], gap["lane"], gap["seq"]) for gap in said["missing"]}
    if (victim.agent, victim.lane, victim.seq) not in missing:
        raise CommandFailed(f"the audit did not name the missing batch: {name}")
    say(f"The deleted batch is named: {alert['host']} still holds the collector's receipt for it.")


def _log_in(site: Site, forged: Site) -> None:
    url = f"https://127.0.0.1:{forged.ports['console']}"
    forged.vedette(
        "login", "--url", url, "--user", "analyst", "--ca", str(forged.folder / "collector/ca/ca.pem"),
        "--password-file", str(site.folder / "password"),
    )  # fmt: skip


def _forge(site: Site, forged: Site, alert: dict[str, Any]) -> Statement:
    """Copy the collector without the batch that holds the alert's last event; return what was deleted."""
    source, target = site.folder / "collector", forged.folder / "collector"
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("lake", "run", "ledger", "snapshot.json"))
    origin = (source / "ledger/vkey").read_text().partition("+")[0]
    write_collector(forged, (), {"ingest": 0, "console": 0}, origin)
    kept = list(_read(source / "ledger"))
    agent, _epoch, seq = alert["evidence"][-1].split(":")
    victim = next(index for index, item in enumerate(kept) if _holds(item, agent, int(seq)))
    said = _statement(kept[victim])
    if said is None:
        raise CommandFailed(f"entry {victim} of the ledger is no statement")
    del kept[victim]
    own = json.loads((source / "identity.json").read_text())["agent"]
    resealed = list(_reseal(kept, own, PrivateKey((source / "keys/agent.key").read_bytes())))
    _write(target / "ledger", resealed, PrivateKey((source / "keys/ledger.key").read_bytes()), origin)
    forged.collector("replay")
    return said


def _read(ledger: Path) -> Iterator[Kept]:
    """Yield every entry of the first segment; a demo's ledger has no more."""
    entries, data = (ledger / "entries/000000000").read_bytes(), (ledger / "data/000000000").read_bytes()
    at = there = 0
    while at < len(entries):
        (length,) = _ENTRY.unpack_from(entries, at)
        _magic, index, received, size, _checksum = _DATA.unpack_from(data, there)
        begin = there + _DATA.size
        raw = entries[at + _ENTRY.size : at + _ENTRY.size + length]
        yield Kept(index, raw, data[begin : begin + size], received)
        at, there = at + _ENTRY.size + length, begin + size


def _statement(item: Kept) -> Statement | None:
    opened = entry.decode(item.entry)
    if opened.type not in (EntryType.BATCH, EntryType.ACT):
        return None
    return statement.from_bytes(dsse.parse(opened.payload, statement.PAYLOAD_TYPE).payload)


def _holds(item: Kept, agent: str, seq: int) -> bool:
    """Return whether item is the batch of agent that holds event seq."""
    said = _statement(item)
    if said is None or said.agent != agent or not item.data:
        return False
    try:
        raw = frame.decompress(item.data, seal.RAW_LIMIT)
    except EvidenceError:
        return False
    return any(event.seq == seq for event in codec.decode(raw).events)


def _reseal(kept: list[Kept], own: str, key: PrivateKey) -> Iterator[Kept]:
    """Sign what the collector itself said anew, so that it quotes the forged tree and chain."""
    forged, prev = tree.Tree(), ""
    for item in kept:
        said = _statement(item)
        if said is not None and said.agent == own:
            seen = said.seen
            if seen is not None:
                size = sum(other.index < seen.size for other in kept)
                seen = Seen(size, forged.root(size).hex())
            payload = statement.to_bytes(msgspec.structs.replace(said, seen=seen, prev=prev or said.prev))
            prev = statement.digest(payload)
            envelope = dsse.encode(payload, statement.PAYLOAD_TYPE, key)
            item = replace(item, entry=entry.encode(entry.decode(item.entry).type, envelope))  # noqa: PLW2901
        forged.append(tree.leaf_hash(item.entry))
        yield item


def _write(ledger: Path, kept: list[Kept], key: PrivateKey, origin: str) -> None:
    """Write a ledger that nothing on this disk contradicts."""
    for name in ("entries", "data"):
        (ledger / name).mkdir(parents=True)
    entries = b"".join(_ENTRY.pack(len(item.entry)) + item.entry for item in kept)
    (ledger / "entries/000000000").write_bytes(entries)
    data = b"".join(_record(index, item) for index, item in enumerate(kept))
    (ledger / "data/000000000").write_bytes(data)
    grown = tree.Tree([tree.leaf_hash(item.entry) for item in kept])
    note = checkpoint.sign(Checkpoint(origin, grown.size, grown.root()), key)
    (ledger / "checkpoints").write_bytes(note.ljust(_SLOT, b"\0") * 2)
    (ledger / "checkpoint").write_bytes(note)
    (ledger / "vkey").write_text(f"{VerifierKey(origin, key.public)}\n")


def _record(index: int, item: Kept) -> bytes:
    unsummed = _DATA.pack(_MAGIC, index, item.received, len(item.data), 0)[:-4]
    checksum = zlib.crc32(unsummed + hashlib.sha256(item.data).digest())
    return unsummed + struct.pack(">I", checksum) + item.data

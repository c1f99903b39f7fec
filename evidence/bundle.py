r"""A bundle: chosen evidence in one file that verifies offline; every byte stands under its manifest's hash.

Layout: ``vedette-bundle-v1\n``, the manifest as one line of JSON, then the blobs it lists in their order.
The manifest's SHA-256 is the bundle's name. Verification is in `audit.py`.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
from collections.abc import Sequence

import msgspec

from . import strict
from .errors import BadBundle, CodecError
from .statement import AgentId, Count, Hash

MAGIC = b"vedette-bundle-v1\n"
MANIFEST_LIMIT = 64 << 20
BUNDLE_LIMIT = 4 << 30


class Item(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry: its leaf index and audit path (base64), its bytes' hash and length, and those of its data.

    received is the collector's clock in UTC ns, which no proof covers. Without data_sha256 the data is not in
    the bundle. aside: a statement that is here only for the `dropped` in it, outside its chain's range.
    """

    index: Count
    sha256: Hash
    length: Count
    proof: tuple[str, ...]
    data_sha256: Hash | None = None
    data_length: Count = 0
    received: Count | None = None
    aside: bool = False


class Anchor(msgspec.Struct, frozen=True):
    """The proof (base64) that the tree of size leaves, which a host saw, became the bundle's tree."""

    size: Count
    proof: tuple[str, ...]


class Claim(msgspec.Struct, frozen=True, omit_defaults=True):
    """A session that the collector says is the person's: audit session of one boot of a host, its account.

    how is how that is known, because the uids of the events that join it to the session it came from. An
    auditor checks both against the signed events.
    """

    agent: AgentId
    boot: str
    session: Count
    user: str = ""
    how: str = ""
    because: tuple[str, ...] = ()


class Subject(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the bundle is about: hosts (agent ids), the interval in UTC ns, and in words why.

    All entries under the manifest's checkpoint were considered; end is not after it was signed. Of an
    incident it names the person and the sessions that the collector says are theirs, the first one first.
    """

    agents: tuple[AgentId, ...]
    begin: Count
    end: Count
    title: str = ""
    alert: str | None = None
    events: tuple[str, ...] = ()
    incident: str | None = None
    person: str | None = None
    sessions: tuple[Claim, ...] = ()


class Manifest(msgspec.Struct, frozen=True):
    """What the bundle holds: the ledger's key (vkey), one signed checkpoint, and the entries proven to it."""

    ledger_key: str
    checkpoint: str
    subject: Subject
    items: tuple[Item, ...]
    anchors: tuple[Anchor, ...]


class Piece(msgspec.Struct, frozen=True):
    """An entry to put into a bundle, with its data or None."""

    index: int
    entry: bytes
    proof: tuple[str, ...]
    data: bytes | None = None
    received: int | None = None
    aside: bool = False


class Bundle(msgspec.Struct, frozen=True):
    """A bundle whose bytes agree with its manifest; nothing else about it is believed yet."""

    name: str
    manifest: Manifest
    pieces: tuple[Piece, ...]


_decoder = msgspec.json.Decoder(Manifest)


def build(
    ledger_key: str, checkpoint: str, subject: Subject, pieces: Sequence[Piece], anchors: Sequence[Anchor]
) -> bytes:
    """Return the bundle's bytes; pieces are put in order of their index."""
    ordered = sorted(pieces, key=lambda piece: piece.index)
    items = tuple(_item(piece) for piece in ordered)
    manifest = msgspec.json.encode(Manifest(ledger_key, checkpoint, subject, items, tuple(anchors)))
    blobs = [part for piece in ordered for part in (piece.entry, piece.data or b"")]
    return b"".join([MAGIC, manifest, b"\n", *blobs])


def _item(piece: Piece) -> Item:
    data = piece.data
    return Item(
        piece.index,
        hashlib.sha256(piece.entry).hexdigest(),
        len(piece.entry),
        piece.proof,
        None if data is None else hashlib.sha256(data).hexdigest(),
        0 if data is None else len(data),
        piece.received,
        piece.aside,
    )


def read(raw: bytes) -> Bundle:
    """Read a bundle and check each byte against the manifest.

    Raises:
        BadBundle: it is no bundle, is cut short or longer than listed, out of order, or a hash differs.
    """
    if len(raw) > BUNDLE_LIMIT:
        raise BadBundle(f"not a bundle: {len(raw)} bytes, at most {BUNDLE_LIMIT}")
    if not raw.startswith(MAGIC):
        raise BadBundle("not a bundle: it does not begin with vedette-bundle-v1")
    end = raw.find(b"\n", len(MAGIC), len(MAGIC) + MANIFEST_LIMIT)
    if end < 0:
        raise BadBundle("manifest: no end of line within its limit")
    line = raw[len(MAGIC) : end]
    manifest = _manifest(line)
    pieces, at = [], end + 1
    for item in manifest.items:
        entry = _blob(raw, at, item.length, item.sha256, f"entry {item.index}")
        at += item.length
        data = None
        if item.data_sha256 is not None:
            data = _blob(raw, at, item.data_length, item.data_sha256, f"data of entry {item.index}")
            at += item.data_length
        pieces.append(Piece(item.index, entry, item.proof, data, item.received, item.aside))
    if at != len(raw):
        raise BadBundle(f"{len(raw) - at} bytes follow the last blob that the manifest lists")
    return Bundle(hashlib.sha256(line).hexdigest(), manifest, tuple(pieces))


def _manifest(line: bytes) -> Manifest:
    try:
        manifest = strict.decode(_decoder, line, "manifest")
    except CodecError as error:
        raise BadBundle(str(error)) from error
    if not _ascends([item.index for item in manifest.items]):
        raise BadBundle("manifest: entries are not in the order of their index, each once")
    if not _ascends([anchor.size for anchor in manifest.anchors]):
        raise BadBundle("manifest: anchors are not in the order of their size, each once")
    return manifest


def _ascends(numbers: Sequence[int]) -> bool:
    return all(before < after for before, after in itertools.pairwise(numbers))


def _blob(raw: bytes, at: int, length: int, sha256: str, what: str) -> bytes:
    blob = raw[at : at + length]
    if len(blob) != length:
        raise BadBundle(f"{what}: the file is cut short")
    if not hmac.compare_digest(hashlib.sha256(blob).hexdigest(), sha256):
        raise BadBundle(f"{what}: its SHA-256 is not the manifest's")
    return blob

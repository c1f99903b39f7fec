"""The exceptions of this package.

EvidenceError
├── CodecError          bytes that are no event, statement or entry of ours
├── NotCanonical        an envelope that is not in its one permitted form
├── TooLarge            a declared or real size above its limit
├── BadSignature        a signature that does not verify with the given key
├── BadDigest           data whose hash or length is not the signed one
├── BadFrame            a compressed frame that is not exactly one plain zstd frame
├── BadProof            an inclusion or consistency proof that does not hold
├── BadCheckpoint       a checkpoint note that does not parse or verify
└── BadBundle           a bundle whose bytes contradict its manifest
"""

from __future__ import annotations


class EvidenceError(Exception):
    """Something offered as evidence is not what it claims to be."""


class CodecError(EvidenceError):
    """Bytes do not decode to the record they should hold; the message names the field."""


class NotCanonical(EvidenceError):
    """The envelope is not byte for byte in canonical form."""


class TooLarge(EvidenceError):
    """A size, declared or real, is above its limit; the message names both."""


class BadSignature(EvidenceError):
    """The signature does not verify with the key that was expected."""


class BadDigest(EvidenceError):
    """Hash or length of the data differs from the signed one."""


class BadFrame(EvidenceError):
    """The data is not exactly one zstd frame of the declared size."""


class BadProof(EvidenceError):
    """An inclusion or consistency proof does not lead to the expected root."""


class BadCheckpoint(EvidenceError):
    """A checkpoint note does not parse, or no trusted key signed it."""


class BadBundle(EvidenceError):
    """A bundle contradicts its own manifest."""

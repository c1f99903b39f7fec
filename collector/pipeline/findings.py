"""What the pipeline itself finds: a batch that does not decode, and rules that fail. Pure."""

from __future__ import annotations

import hashlib

from ..alert import Alert
from ..lake.decode import Batch

UNDECODABLE = "undecodable-batch"
RULE_FAULT = "rule-fault"
_TEXT_LIMIT = 2000


def undecodable(batch: Batch, host: str) -> Alert:
    """Return the finding about an agent whose signed batch holds what is no event; it is kept raw."""
    said, name = batch.said, _name(batch)
    return Alert(
        id=_id(UNDECODABLE, name, batch.digest),
        rule=UNDECODABLE,
        version=1,
        severity="medium",
        title="A signed batch does not decode",
        summary=f"batch {name} verifies, but {len(batch.faults)} faults: kept raw as entry {batch.index}",
        time=said.last_time or said.sent,
        detected=batch.received or said.sent,
        agent=said.agent,
        host=host,
        entity=name,
        details={"entry": str(batch.index), "faults": "; ".join(batch.faults)[:_TEXT_LIMIT]},
    )


def rule_fault(batch: Batch, host: str, error: Exception) -> Alert:
    """Return the finding that rules failed on a batch: whoever made it fail may have wanted just that."""
    said, name = batch.said, _name(batch)
    return Alert(
        id=_id(RULE_FAULT, name, batch.digest),
        rule=RULE_FAULT,
        version=1,
        severity="high",
        title="Rules failed on a batch",
        summary=f"rules failed on batch {name}: its events are stored, but not judged, and name no person",
        time=said.last_time or said.sent,
        detected=batch.received or said.sent,
        agent=said.agent,
        host=host,
        entity=name,
        details={"entry": str(batch.index), "error": f"{type(error).__name__}: {error}"[:_TEXT_LIMIT]},
    )


def _name(batch: Batch) -> str:
    said = batch.said
    return f"{said.agent}:{said.epoch}:{said.lane}:{said.seq}"


def _id(rule: str, name: str, digest: str) -> str:
    return hashlib.sha256(f"{rule} 1 {name} {digest}".encode()).hexdigest()[:24]

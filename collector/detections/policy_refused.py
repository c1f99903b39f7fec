"""A host refused a policy: somebody handed over what the policy key's holder did not mean for it."""

from __future__ import annotations

from evidence.kinds.policy import Applied, Ground, Refused

from ..alert import Severity
from ..one_event import finding
from ..record import Record
from ..rule import Detection, Finding, Site, Step, Story

_FORGED: frozenset[Ground] = frozenset(
    {"too large", "not canonical", "another key", "bad signature", "bad document", "contradicts"}
)
_TAMPERED: frozenset[Ground] = frozenset({"record is gone", "record is older"})
_WORDS: dict[Ground, str] = {
    "record is gone": "lost what it had kept of its policies",
    "record is older": "found an older policy put back in its own folder",
}


def _severity(ground: Ground) -> Severity:
    return "high" if ground in _FORGED or ground in _TAMPERED else "medium"


def _find(record: Record, _site: Site) -> Finding | None:
    body = record.event.body
    if not isinstance(body, Refused):
        return None
    named = f" {body.name} {body.version}" if body.name is not None else ""
    did = _WORDS.get(body.ground, f"refused a policy{named}, {body.ground}")
    return finding(
        record,
        f"{body.ground}|{body.digest or ''}",
        f"{record.host} {did}: {body.message}",
        severity=_severity(body.ground),
    )


DETECTION = Detection(
    id="policy-refused",
    version=1,
    title="Fleet policy refused by a host",
    severity="high",
    attack=("T1562.001",),
    kinds=(Refused,),
    find=_find,
    hits=(
        Story(
            "a policy signed by another key is handed over",
            (Step(0, Refused(ground="another key", message="signed by key ab12…", digest="ab" * 32)),),
        ),
        Story(
            "the file of the policy in force is put back to an older one",
            (Step(0, Refused(ground="record is older", message="policy.json is older", digest="")),),
        ),
        Story(
            "an older version is handed over again",
            (
                Step(
                    0, Refused(ground="older", message="version 3", digest="cd" * 32, name="fleet", version=3)
                ),
            ),
        ),
    ),
    misses=(
        Story(
            "a policy of the pinned key is taken",
            (
                Step(
                    0,
                    Applied(name="fleet", version=4, digest="cd" * 32, cause="taken", key="ef" * 32, until=9),
                ),
            ),
        ),
    ),
)

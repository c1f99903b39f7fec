"""From a rule's finding to an alert: what an inference alone names is at most medium. Pure."""

from __future__ import annotations

from ..alert import IF_SURE, INFERRED_BY, Alert, Severity
from ..record import Person
from ..rule import Finding, Rule
from . import telling

_AT_MOST_MEDIUM = frozenset({"high", "critical"})


def to_alert(rule: Rule, finding: Finding, now: int, *, staged: bool = False) -> Alert:
    """Return the finding as an alert; what only an inference names never rises above medium."""
    return Alert(
        id=telling.identity(rule.id, rule.version, finding.entity, finding.evidence),
        rule=rule.id,
        version=rule.version,
        severity=_severity(finding.severity or rule.severity, finding.person),
        title=rule.title,
        summary=finding.summary,
        time=finding.time,
        detected=now,
        agent=finding.agent,
        host=finding.host,
        person=finding.person,
        destination=finding.destination,
        bytes_out=finding.bytes_out,
        evidence=_evidence(finding),
        attack=rule.attack,
        details=_details(finding.details, finding.severity or rule.severity, finding.person),
        entity=finding.entity,
        boot=finding.boot,
        staged=staged,
    )


def _details(details: dict[str, str], severity: Severity, person: Person | None) -> dict[str, str]:
    """Return details, with what the severity would be if the link that infers the person turned out sure."""
    if person is None or not person.because or _severity(severity, person) == severity:
        return details
    return {**details, IF_SURE: severity, INFERRED_BY: person.because[-1]}


def _evidence(finding: Finding) -> tuple[str, ...]:
    """Return the uids of the finding's events, and of those that link its person to what a job did."""
    because = finding.person.because if finding.person is not None else ()
    return tuple(dict.fromkeys((*because, *finding.evidence)))


def _severity(severity: Severity, person: Person | None) -> Severity:
    if person is not None and person.how == "inferred" and severity in _AT_MOST_MEDIUM:
        return "medium"
    return severity

"""An account that rested for months logs in, and soon does something that needs privilege."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from evidence.kinds.login import Accepted, SessionOpen, Su, Sudo
from evidence.kinds.process import Exec

from ..bounded import remember
from ..by_person import by_person
from ..examples import DAY, SERVICE, WINDOW, login, opened, run
from ..measures.baselines import LastSeen, day_of
from ..measures.session_work import describe
from ..organisation.known import Organisation, Window
from ..record import NOT_INTERACTIVE, Person, Record
from ..rule import BEGIN, Correlation, Finding, Parameter, Site, Step, Story

_REST = Parameter(
    "rest", 90, "days", "leave and other work last weeks; accounts that rest longer are forgotten"
)
_WINDOW = Parameter("window", 3600, "seconds", "who came for the privilege takes it at once")
_PEOPLE_LIMIT = 5000
_KEPT = 8
_NS = 1_000_000_000
_ASKS = frozenset({"sudo", "su", "pkexec", "doas"})


class Return(msgspec.Struct, gc=False):
    """Logins after a rest, (time, uid, days of rest), and privileged acts, (time, uid, agent, what)."""

    logins: list[tuple[int, str, int]] = []
    acts: list[tuple[int, str, str, str]] = []


class State(msgspec.Struct):
    """By the person's name; days of activity by the same."""

    seen: LastSeen = msgspec.field(default_factory=LastSeen)
    people: dict[str, Return] = {}


def _step(state: State, record: Record, site: Site) -> Iterable[Finding]:
    body, person = record.event.body, by_person(record, site)
    if person is None:
        return ()
    day = day_of(min(record.at, record.received))  # a host may claim any time
    if isinstance(body, Accepted | SessionOpen):
        if body.program in NOT_INTERACTIVE or body.program in _ASKS:
            return ()
        state.seen.saw(person.name, day)
        rest = state.seen.rest(person.name, day)
        if rest is None or rest < site.number(_ID, _REST):
            return ()
        back = state.people.get(person.name) or Return()
        back.logins = sorted([*back.logins, (record.at, record.uid, rest)])[:_KEPT]
    else:
        what = _privileged(body)
        if what is None:
            return ()
        back = state.people.get(person.name) or Return()
        back.acts = sorted([*back.acts, (record.at, record.uid, record.agent, what)])[-_KEPT:]
    remember(state.people, person.name, back, _PEOPLE_LIMIT)
    return _judge(back, person, record, site)


def _privileged(body: object) -> str | None:
    if isinstance(body, Sudo):
        return f"sudo {body.command or ''}".strip() if body.allowed else None
    if isinstance(body, Su):
        return f"su to {body.target}" if body.allowed else None
    return " ".join(body.argv)[:200] if isinstance(body, Exec) and body.elevated else None


def _judge(back: Return, person: Person, record: Record, site: Site) -> Iterable[Finding]:
    window = int(site.number(_ID, _WINDOW) * _NS)
    for time, uid, rest in back.logins:
        after = [act for act in back.acts if 0 <= act[0] - time <= window]
        if not after or site.known.is_change(record.host, person.name, after[0][0]):
            continue
        if site.known.is_on_call(record.host, person.name, after[0][0]):
            continue
        yield Finding(
            entity=f"{person.name}|{day_of(time)}",
            summary=f"{describe(person)} came back to {record.host} after {rest} days and ran: {after[0][3]}",
            time=after[0][0],
            agent=after[0][2],
            host=record.host,
            evidence=(uid, *[act[1] for act in after]),
            person=person,
        )
        return


_ID = "dormant-privilege"
_SUDO = Sudo(program="sudo", user="alice", auid=1000, session=8, target="root", command="/bin/sh", uid=1000)
_AFTER = 120 * DAY


def _story(why: str, rest: float, *steps: Step, organisation: Organisation | None = None) -> Story:
    """Return alice's last day, and her coming back after rest seconds."""
    back = Step(rest, opened(session=8))
    return Story(why, (Step(0, login()), Step(1, opened()), back, *steps), organisation=organisation)


_ON_CALL = Organisation(on_call=(Window(BEGIN, BEGIN + int(400 * DAY) * _NS, "on call", persons=("alice",)),))

CORRELATION = Correlation(
    id=_ID,
    version=1,
    title="Privilege used by an account that had rested",
    severity="medium",
    attack=("T1078.003", "T1548.003"),
    kinds=(Accepted, SessionOpen, Sudo, Su, Exec),
    state=State,
    step=_step,
    programs=lambda _site: _ASKS,
    parameters=(_REST, _WINDOW),
    hits=(
        _story("sudo after four months", _AFTER, Step(_AFTER + 600, _SUDO)),
        _story(
            "su",
            _AFTER,
            Step(_AFTER + 60, Su(program="su", user="alice", target="root", auid=1000, session=8)),
        ),
        _story(
            "no log, but the exec of sudo",
            _AFTER,
            Step(_AFTER + 5, run("sudo", "-i", elevated=True, session=8)),
        ),
        Story(
            "the login's event comes after sudo's",
            (Step(0, opened()), Step(_AFTER + 9, _SUDO), Step(_AFTER, opened(session=8))),
        ),
    ),
    misses=(
        _story("back from a month of leave", 30 * DAY, Step(30 * DAY + 60, _SUDO)),
        _story("an hour went by", _AFTER, Step(_AFTER + 4000, _SUDO)),
        _story("sudo refused it", _AFTER, Step(_AFTER + 9, msgspec.structs.replace(_SUDO, allowed=False))),
        _story("only a login", _AFTER),
        Story("an account that was never seen", (Step(0, opened(session=8)), Step(9, _SUDO))),
        _story("the yearly drill was announced", _AFTER, Step(_AFTER + 9, _SUDO), organisation=WINDOW),
        _story("on call", _AFTER, Step(_AFTER + 9, _SUDO), organisation=_ON_CALL),
        _story("a robot's account", _AFTER, Step(_AFTER + 9, _SUDO), organisation=SERVICE),
    ),
)

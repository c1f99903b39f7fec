"""A login at an hour at which this person does not work, by what the operator said or by their own habit.

A hint that only adds risk. Who is on call, or announced work, is excused.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from evidence.kinds.login import Accepted, SessionOpen

from ..bounded import remember
from ..by_person import by_person, is_change
from ..examples import DAY, SERVICE, WINDOW, login, opened
from ..measures.baselines import DAY as _DAY
from ..measures.session_work import describe
from ..organisation.known import Human, Organisation, Window
from ..record import NOT_INTERACTIVE, Record
from ..rule import BEGIN, Correlation, Finding, Parameter, Site, Step, Story

_DAYS = Parameter("days", 10, "days", "with logins on fewer days there is no habit yet")
_NEAR = Parameter("near", 2, "hours", "people come somewhat earlier or later than usual")
_PEOPLE_LIMIT = 5_000
_LOGINS_LIMIT = 128
_HOURS = 24
_HOUR = _DAY // _HOURS
_INSIDE = frozenset({"sudo", "su", "su-l", "runuser", "pkexec"})


class State(msgspec.Struct):
    """By person the hours (since 1970, UTC) in which they logged in: time and uid of each one's first."""

    logins: dict[str, dict[int, tuple[int, str]]] = {}


def _step(state: State, record: Record, site: Site) -> Iterable[Finding]:
    body, person = record.event.body, by_person(record, site)
    if person is None or not isinstance(body, Accepted | SessionOpen):
        return ()
    if body.program in NOT_INTERACTIVE or body.program in _INSIDE:
        return ()
    hour, hours = record.at // _HOUR, state.logins.get(person.name) or {}
    is_usual = site.known.works_at(person.name, record.at)
    if is_usual is None:
        is_usual = _is_habit(hours, hour, site)
    one = (record.event.time, record.uid)
    hours[hour] = min(one, hours.get(hour, one))
    if len(hours) > _LOGINS_LIMIT:
        del hours[min(hours)]
    remember(state.logins, person.name, hours, _PEOPLE_LIMIT)
    if is_usual or is_change(record, site) or site.known.is_on_call(record.host, person.name, record.at):
        return ()
    return (
        Finding(
            entity=f"{person.name}|{hour}",
            summary=f"{describe(person)} logged in to {record.host} at an hour unusual for them",
            time=hours.get(hour, one)[0],
            agent=record.agent,
            host=record.host,
            evidence=(hours.get(hour, one)[1],),
            person=person,
        ),
    )


def _is_habit(hours: Iterable[int], hour: int, site: Site) -> bool:
    """Return whether a login of an earlier day was near that hour of the day, or too few days are known."""
    day = hour // _HOURS
    earlier = [one for one in hours if one // _HOURS < day]
    if len({one // _HOURS for one in earlier}) < site.number(_ID, _DAYS):
        return True
    near = int(site.number(_ID, _NEAR))
    return any(min((one - hour) % _HOURS, (hour - one) % _HOURS) <= near for one in earlier)


_ID = "off-hours"
_NIGHT = 20 * DAY + 12 * 3600
_WORK = tuple(Step(day * DAY, login()) for day in range(12))
_DAY_WORKER = Organisation(people=(Human("alice", ("alice",), timezone="Europe/Berlin", hours=(8, 18)),))
_ON_CALL = Organisation(on_call=(Window(BEGIN, BEGIN + 400 * _DAY, "on call", persons=("alice",)),))

CORRELATION = Correlation(
    id=_ID,
    version=1,
    title="Login at an unusual hour",
    severity="low",
    attack=("T1078",),
    kinds=(Accepted, SessionOpen),
    state=State,
    step=_step,
    parameters=(_DAYS, _NEAR),
    hits=(
        Story("by habit an afternoon's worker, at night", (*_WORK, Step(_NIGHT, login()))),
        Story("login and session are one", (*_WORK, Step(_NIGHT, login()), Step(_NIGHT + 1, opened()))),
        Story("the operator said when", (Step(12 * 3600, login()),), organisation=_DAY_WORKER),
    ),
    misses=(
        Story("an hour later than usual", (*_WORK, Step(20 * DAY + 3600, login()))),
        Story("no habit is known yet", (Step(0, login()), Step(12 * 3600, login()))),
        Story("within the hours that were said", (Step(0, login()),), organisation=_DAY_WORKER),
        Story("on call", (*_WORK, Step(_NIGHT, login())), organisation=_ON_CALL),
        Story("announced work", (*_WORK, Step(_NIGHT, login())), organisation=WINDOW),
        Story("a robot's account", (*_WORK, Step(_NIGHT, login())), organisation=SERVICE),
        Story(
            "a timer at night", (*_WORK, Step(_NIGHT, SessionOpen(program="cron", user="alice", auid=1000)))
        ),
    ),
)

"""One key, or one account, used from two places within less time than the way between them takes.

Places are what the operator or a country table says of addresses. Where none is known, two far networks at
once are a hint only. Our own addresses are hops and gateways, and tell of no place.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from evidence.kinds.login import Accepted

from ..bounded import remember
from ..by_person import is_change
from ..examples import SERVICE, WINDOW, login
from ..measures.origins import network
from ..measures.session_work import describe
from ..organisation.known import NetworkLabel, Organisation
from ..record import Person, Record
from ..rule import Correlation, Finding, Parameter, Site, Step, Story

_WINDOW = Parameter("window", 3600, "seconds", "nobody is in two places within an hour")
_AT_ONCE = Parameter(
    "at_once", 600, "seconds", "two networks of unknown places this close in time are a hint"
)
_KEYS_LIMIT = 50_000
_KEPT = 16
_NS = 1_000_000_000


class Login(msgspec.Struct, frozen=True):
    """One accepted login: time (UTC ns by the collector), uid, address, place or network, where, whose."""

    time: int
    uid: str
    ip: str
    place: str | None
    network: str
    agent: str
    host: str
    person: Person


class State(msgspec.Struct):
    """By key fingerprint, else by account: the last logins, by time."""

    logins: dict[str, list[Login]] = {}


def _step(state: State, record: Record, site: Site) -> Iterable[Finding]:
    body = record.event.body
    if not isinstance(body, Accepted) or body.source is None or record.person is None:
        return ()
    ip = body.source.ip
    near = network(ip)
    if near is None or site.known.use(ip) is not None or site.known.is_service_account(body.user):
        return ()
    who = body.fingerprint or f"account {body.user}"
    place = site.known.place(ip)
    one = Login(record.at, record.uid, ip, place, near, record.agent, record.host, record.person)
    logins = sorted([*state.logins.get(who, ()), one], key=_order)[-_KEPT:]
    remember(state.logins, who, logins, _KEYS_LIMIT)
    if is_change(record, site):
        return ()
    return [found for other in logins if (found := _judge(who, one, other, site)) is not None]


def _order(login: Login) -> tuple[int, str]:
    return login.time, login.uid


def _judge(who: str, one: Login, other: Login, site: Site) -> Finding | None:
    apart = abs(one.time - other.time)
    both_known = one.place is not None and other.place is not None
    if both_known:
        if one.place == other.place or apart > site.number(_ID, _WINDOW) * _NS:
            return None
    elif one.network == other.network or apart > site.number(_ID, _AT_ONCE) * _NS:
        return None
    first, second = sorted((one, other), key=_order)
    where = f"{first.place or first.ip} and {second.place or second.ip}"
    return Finding(
        entity=f"{who}|{first.uid}",
        summary=f"{who} of {describe(second.person)} was used from {where} within {apart // _NS} s, "
        f"on {first.host} and {second.host}",
        time=second.time,
        agent=second.agent,
        host=second.host,
        evidence=(first.uid, second.uid),
        person=second.person,
        severity="high" if both_known else "low",
        details={"addresses": f"{first.ip} {second.ip}"},
    )


_ID = "shared-credential"
_PLACES = Organisation(
    networks=(
        NetworkLabel("198.51.100.0/24", place="DE"),
        NetworkLabel("198.18.0.0/24", place="DE"),
        NetworkLabel("203.0.113.0/24", place="BR"),
        NetworkLabel("192.0.2.0/24", use="own", place="US"),
    )
)
_DE, _VPN, _BR, _JUMP = "198.51.100.7", "198.18.0.9", "203.0.113.9", "192.0.2.1"


def _story(why: str, *logins: tuple[float, str, str], organisation: Organisation | None = _PLACES) -> Story:
    """Return logins of one key: at seconds, from an address, on a host."""
    steps = tuple(Step(at, login(ip=ip), agent=host) for at, ip, host in logins)
    return Story(why, steps, organisation=organisation)


_TOLD = msgspec.structs.replace(_PLACES, change_windows=WINDOW.change_windows)
_ROBOT = msgspec.structs.replace(_PLACES, service_accounts=SERVICE.service_accounts)

CORRELATION = Correlation(
    id=_ID,
    version=1,
    title="One credential used from two places at once",
    severity="high",
    attack=("T1078", "T1552.004"),
    kinds=(Accepted,),
    state=State,
    step=_step,
    parameters=(_WINDOW, _AT_ONCE),
    hits=(
        _story("two countries in ten minutes", (0, _DE, "web1"), (600, _BR, "web1")),
        _story("on two hosts, told in the other order", (600, _BR, "web2"), (0, _DE, "web1")),
        _story(
            "places unknown, two networks at once: a hint",
            (0, _DE, "web1"),
            (60, _BR, "web1"),
            organisation=None,
        ),
        Story(
            "a password instead of a key",
            (Step(0, login(ip=_DE, key=None)), Step(60, login(ip=_BR, key=None))),
            organisation=_PLACES,
        ),
    ),
    misses=(
        _story("the VPN's exit switches within a country", (0, _DE, "web1"), (60, _VPN, "web1")),
        _story("a flight between", (0, _DE, "web1"), (40_000, _BR, "web1")),
        _story(
            "roaming to the adjacent network", (0, _DE, "web1"), (60, "198.51.7.7", "web1"), organisation=None
        ),
        _story("the jump host's address", (0, _DE, "web1"), (60, _JUMP, "web2")),
        _story("a gateway's inner address", (0, _DE, "web1"), (60, "10.0.0.9", "web2")),
        _story("from home, later by phone", (0, _DE, "web1"), (900, _BR, "web1"), organisation=None),
        _story("announced work", (0, _DE, "web1"), (60, _BR, "web1"), organisation=_TOLD),
        _story("a robot's account", (0, _DE, "web1"), (60, _BR, "web1"), organisation=_ROBOT),
        Story(
            "two keys of two people",
            (Step(0, login(ip=_DE)), Step(60, login("bob", ip=_BR, key="SHA256:bob"))),
            organisation=_PLACES,
        ),
    ),
)

"""Data in DNS questions: many long names below one registered domain, by one session or service."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from evidence.kind import Actor
from evidence.kinds.dns import Query

from ..alert import Severity
from ..bounded import remember
from ..by_person import by_person
from ..measures.domains import split
from ..measures.session_work import base_name, describe, key, size
from ..measures.windows import Item, Series, amount, uids
from ..record import Record
from ..rule import Correlation, Finding, Parameter, Site, Step, Story

_NAMES = Parameter(
    "names", 100, "distinct names", "RITA's first band: few services ask so many below one domain"
)
_MANY = Parameter("many", 500, "distinct names", "RITA's second band: from here on it is high")
_BYTES = Parameter(
    "bytes", 15_000, "bytes of long labels", "a slow tunnel stays below any rate, not below a sum"
)
_LABEL = Parameter("label", 12, "characters", "shorter labels carry little: addresses in blocklists, shards")
_WINDOW = Parameter("window", 86_400, "seconds", "what is slow still adds up in a day")
_RESOLVERS = Parameter(
    "resolvers",
    "systemd-resolved dnsmasq unbound named coredns nscd kresd pdns_recursor",
    "program names",
    "they ask for others, whose own questions are told too",
)
_DOMAINS = Parameter(
    "domains", "arpa local internal lan home corp", "top-level names", "these lead to no stranger"
)
_ENTITIES_LIMIT = 1000
_ITEMS_LIMIT = 1000
_SECOND = 1_000_000_000


class State(msgspec.Struct):
    """Long names by ``who|registered domain``; value: bytes of labels that carry, label: a hash."""

    asked: dict[str, Series] = {}


def _step(state: State, record: Record, site: Site) -> Iterable[Finding]:
    body = record.event.body
    if not isinstance(body, Query):
        return ()
    least = int(site.number(_ID, _LABEL))
    if not any(len(label) >= least for label in body.name.split(".")):
        return ()  # nearly every question
    parts = split(body.name)
    if parts is None or _is_exempt(body, parts[1], site):
        return ()
    carried = sum(len(label) for label in parts[0].split(".") if len(label) >= least)
    if not carried:
        return ()
    entity = f"{_who(record, body)}|{parts[1]}"
    asked = state.asked.get(entity)
    if asked is None:
        asked = Series()
        remember(state.asked, entity, asked, _ENTITIES_LIMIT)
    name = hashlib.blake2b(parts[0].encode(), digest_size=6).hexdigest()
    item = Item(record.event.time, carried, record.uid, name)
    asked.add(item, int(site.number(_ID, _WINDOW)) * _SECOND, _ITEMS_LIMIT)
    return _judged(entity, parts[1], asked, record, site)


def _is_exempt(body: Query, domain: str, site: Site) -> bool:
    if domain.rsplit(".", 1)[-1] in site.words(_ID, _DOMAINS) or site.known.is_known_name(domain):
        return True
    exe = body.actor.exe if body.actor is not None else None
    return exe is not None and base_name(exe) in site.words(_ID, _RESOLVERS)


def _who(record: Record, body: Query) -> str:
    """Return the session, or else the host's service: a tunnel may be a new process for each question."""
    session = key(record)
    if session is not None:
        return session
    actor = body.actor or Actor()
    return f"{record.agent}|{actor.unit or actor.container or base_name(actor.exe or '')}"


def _judged(entity: str, domain: str, asked: Series, record: Record, site: Site) -> Iterable[Finding]:
    items = asked.items
    if len(items) < site.number(_ID, _NAMES):
        return
    names, carried = amount(items, "distinct"), amount(items, "sum")
    if names < site.number(_ID, _NAMES) or carried < site.number(_ID, _BYTES):
        return
    is_high = by_person(record, site) is not None or names >= site.number(_ID, _MANY)
    severity: Severity | None = "high" if is_high else None
    person = describe(record.person) if record.person is not None else f"a service ({entity.split('|')[1]})"
    yield Finding(
        entity=entity,
        summary=(
            f"{person} asked for {names} long names below {domain} on {record.host}: {size(carried)} of text"
        ),
        time=items[-1].time,
        agent=record.agent,
        host=record.host,
        evidence=uids(items),
        person=record.person,
        severity=severity,
        destination=domain,
        bytes_out=carried,
        details={"names": str(names)},
    )


_ID = "dns-tunnel"
_DIG = Actor(pid=50, exe="/usr/bin/dig", uid=1000, auid=1000, session=7)
_STUB = Actor(pid=5, exe="/usr/lib/systemd/systemd-resolved", uid=101, unit="systemd-resolved.service")
_MAIL = Actor(pid=6, exe="/usr/lib/postfix/sbin/smtpd", uid=102, unit="postfix.service")
_APP = Actor(pid=7, exe="/usr/bin/node", uid=998, unit="app.service")


def _asks(pattern: str, count: int, actor: Actor = _DIG, every: float = 0.5) -> tuple[Step, ...]:
    return tuple(
        Step(number * every, Query(name=pattern.format(n=number, x=f"{number:050d}"), type="A", actor=actor))
        for number in range(count)
    )


CORRELATION = Correlation(
    id=_ID,
    version=1,
    title="Data carried in DNS questions",
    severity="medium",
    attack=("T1048.003", "T1071.004"),
    kinds=(Query,),
    state=State,
    step=_step,
    parameters=(_NAMES, _MANY, _BYTES, _LABEL, _WINDOW, _RESOLVERS, _DOMAINS),
    hits=(
        Story("base32 of a file, fifty letters a question", _asks("{x}.t.evil.example", 320)),
        Story("three labels a question", _asks("{x}.{x}.{x}.t.evil.co.uk", 120)),
        Story("slowly, over most of a day", _asks("{x}.{x}.t.evil.example", 200, every=400)),
        Story("a service does it", _asks("{x}.{x}.t.evil.example", 200, _APP)),
    ),
    misses=(
        Story("a blocklist is asked about mail", _asks("4.3.{n}.1.zen.blocklist.example", 400, _MAIL)),
        Story("shards of a content network", _asks("img{n}.cdn.example", 400)),
        Story("search domains of a cluster", _asks("www{n}.shop.svc.cluster-of-the-east.local", 400)),
        Story(
            "the same long name again and again", _asks("0123456789abcdef0123456789abcdef.s3.example", 400)
        ),
        Story("a stub asks on behalf of others", _asks("{x}.t.evil.example", 320, _STUB)),
        Story("addresses turned into names", _asks("{x}.ip6.arpa", 320)),
        Story("too little to carry anything", _asks("{x}.t.evil.example", 60)),
        Story("each below a domain of its own", _asks("{x}.tenant{n}.example", 320)),
    ),
)

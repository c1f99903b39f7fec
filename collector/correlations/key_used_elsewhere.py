"""A private key read by somebody else than its owner, then its owner's key accepted on a host they came to.

Whose a key is, is what the operator says; else whose account accepted it, or lists it. The login is the
reader's where it came over their sessions, or from the address they come from and the owner did not before.
Each is judged anew with every read, login and late link, so that the order of arrival does not matter.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import msgspec

from evidence.kind import Actor, Endpoint
from evidence.kinds.connection import Open
from evidence.kinds.file import Read
from evidence.kinds.login import Accepted, SessionOpen
from evidence.kinds.state import Changed

from ..bounded import remember
from ..examples import DAY
from ..measures.key_lineage import (
    EACH,
    KEYS,
    LOGINS,
    OWNERS,
    SOURCES,
    Login,
    Reading,
    State,
    belongs,
    is_readers,
    order,
    owner_of,
    uses,
)
from ..measures.session_work import READERS, describe, is_foreign
from ..measures.session_work import key as session_key
from ..organisation.known import Human, Organisation
from ..record import Record, SessionRevision
from ..risk import BY_SESSION
from ..rule import Correlation, Finding, Parameter, Site, Step, Story

_WINDOW = Parameter("window", 7, "days", "a key that was taken is used within a week")
_READERS = Parameter("readers", READERS, "program names", "these read the files as their duty")
_NS_OF_DAY = 86_400_000_000_000


def _step(state: State, record: Record, site: Site) -> Iterable[Finding]:
    body = record.event.body
    if isinstance(body, Read):
        return _read(state, record, body, site)
    if isinstance(body, Accepted):
        return _login(state, record, body, site)
    if isinstance(body, Changed) and body.source == "authorized_keys":
        return _listed(state, body, site)
    return ()


def _read(state: State, record: Record, body: Read, site: Site) -> Iterable[Finding]:
    person = record.person
    if person is None or not is_foreign(body, site.words(_ID, _READERS)) or uses(body):
        return ()
    place = session_key(record) or ""
    owners = {owner: path for path in (body.path, *body.paths) if (owner := owner_of(path)) is not None}
    for owner, path in owners.items():
        known = [one for one in state.readings.get(owner, ()) if one.uid != record.uid]
        known.append(Reading(record.at, record.uid, person, path, place))
        remember(state.readings, owner, sorted(known, key=order)[-EACH:], OWNERS)
    remember(state.readers, place, sorted({*state.readers.get(place, ()), *owners})[:EACH], OWNERS)
    return list(_judge_owners(state, owners, site))


def _judge_owners(state: State, owners: Collection[str], site: Site) -> Iterator[Finding]:
    """Judge the keys of those whose keys were read."""
    keys = [key for key, accounts in state.accounts.items() if not set(owners).isdisjoint(accounts)]
    for owner in owners:
        human = site.known.human(site.known.person(owner) or owner)
        keys += human.keys if human is not None else ()
    for key in dict.fromkeys(keys):
        yield from _judge(state, key, site)


def _login(state: State, record: Record, body: Accepted, site: Site) -> Iterable[Finding]:
    if body.fingerprint is None:
        return ()
    key, source = body.fingerprint, body.source.ip if body.source is not None else None
    login = Login(
        record.at, record.event.time, record.agent, record.host, body.user, key, source, record.person
    )
    remember(state.logins, record.uid, login, LOGINS)
    remember(state.used, key, [*state.used.get(key, []), record.uid][-EACH:], KEYS)
    belongs(state, key, body.user)
    place = f"{key}|{source}"
    remember(state.since, place, min(record.at, state.since.get(place, record.at)), SOURCES)
    return list(_judge(state, key, site))


def _listed(state: State, body: Changed, site: Site) -> Iterable[Finding]:
    """Learn whose keys stand in an account's list."""
    owner = owner_of(body.path or body.subject, is_list=True)
    keys = [line.partition(",")[0] for line in body.added if line.startswith("SHA256:")]
    for key in keys if owner is not None else ():
        belongs(state, key, owner or "")
    return [finding for key in keys for finding in _judge(state, key, site)]


def _revised(state: State, session: SessionRevision, site: Site) -> Iterable[Finding]:
    """Take in whose a login, and the session that keys were read in, turned out to be."""
    place = f"{session.agent}|{session.boot}|s{session.session}"
    owners = state.readers.get(place, [])
    for owner in owners:
        state.readings[owner] = [
            msgspec.structs.replace(one, person=session.person)
            if one.session == place and one.person.how in BY_SESSION
            else one
            for one in state.readings.get(owner, ())
        ]
    yield from _judge_owners(state, owners, site)
    for uid in session.evidence:
        login = state.logins.get(uid)
        if login is not None and (login.agent, login.key) == (session.agent, session.fingerprint):
            login.person = session.person
            yield from _judge(state, login.key, site)


def _judge(state: State, key: str, site: Site) -> Iterator[Finding]:
    """Find the logins with a key that are of those who had read it."""
    owner = site.known.person(key)
    human = site.known.human(owner) if owner is not None else None
    accounts = {owner, *human.accounts} if owner is not None and human is not None else set[str]()
    accounts = accounts or set(state.accounts.get(key, ()))
    names = {site.known.person(account) or account for account in accounts}
    readings = [
        one
        for account in sorted(accounts)
        for one in state.readings.get(account, ())
        if one.person.name not in names
    ]
    for uid in state.used.get(key, ()) if readings else ():
        login = state.logins.get(uid)
        if login is not None:
            yield from _used(state, uid, login, readings, site)


def _used(state: State, uid: str, login: Login, readings: list[Reading], site: Site) -> Iterator[Finding]:
    window = int(site.number(_ID, _WINDOW) * _NS_OF_DAY)
    fitting = [one for one in readings if 0 <= login.at - one.at <= window and is_readers(state, login, one)]
    for place in dict.fromkeys(one.session for one in fitting):
        own = [one for one in sorted(fitting, key=order) if one.session == place]
        reader, path = own[-1].person, own[-1].path
        yield Finding(
            entity=f"{place}|{login.key}|{uid}",
            summary=f"{describe(reader)} read {path}; then the key {login.key} was accepted "
            f"as {login.user} on {login.host}, from {login.source}",
            time=login.time,
            agent=login.agent,
            host=login.host,
            evidence=(*(one.uid for one in own), uid),
            # The session is of the host it was read on, and the finding of the one it was used on.
            person=msgspec.structs.replace(reader, session=None),
            details={"path": path, "key": login.key, "account": login.user},
        )


_ID = "key-used-elsewhere"
_HER, _HIS = Endpoint(ip="198.51.100.7", port=50_000), Endpoint(ip="198.51.100.30", port=50_100)
_KEY, _ALICES = "SHA256:carols", "SHA256:alices"
_PATH = "/home/carol/.ssh/id_ed25519"
_CAT = Actor(pid=90, exe="/usr/bin/cat", uid=0, auid=1000, session=7)
_TAKEN = Read(path=_PATH, tree="/home/*/.ssh/id_*", actor=_CAT, owner=1002)
_USED = Read(
    path=_PATH,
    tree="/home/*/.ssh/id_*",
    actor=Actor(pid=50, exe="/usr/bin/ssh", uid=1002, auid=1000, session=7),
    owner=1002,
)


def _ssh(user: str, key: str, source: Endpoint, pid: int = 70) -> Accepted:
    return Accepted(
        program="sshd", user=user, pid=pid, method="publickey", fingerprint=key, source=source,
    )  # fmt: skip


def _opens(user: str, uid: int, session: int, pid: int = 70) -> SessionOpen:
    return SessionOpen(program="sshd", user=user, pid=pid, auid=uid, session=session)


_IN = (Step(0, _ssh("alice", _ALICES, _HER), "h1"), Step(1, _opens("alice", 1000, 7), "h1"))
_HOP = Endpoint(ip="10.0.0.1", port=40_001)
_CALL = Open(
    flow=1,
    protocol="tcp",
    direction="out",
    local=_HOP,
    remote=Endpoint(ip="10.0.0.2", port=22),
    actor=Actor(pid=91, exe="/usr/bin/ssh", uid=1000, auid=1000, session=7),
)
_THERE = Step(101, _ssh("carol", _KEY, _HOP), "h2"), Step(102, _opens("carol", 1002, 3), "h2")
_LIST = Changed(
    source="authorized_keys",
    subject="/home/carol/.ssh/authorized_keys",
    change="changed",
    path="/home/carol/.ssh/authorized_keys",
    added=(f"{_KEY}, ssh-ed25519, comment carol@laptop",),
)
_OWN = Read(
    path=_PATH,
    tree="/home/*/.ssh/id_*",
    actor=Actor(pid=95, exe="/usr/bin/ssh-agent", uid=1002, auid=1002, session=9),
    owner=1002,
)
_CAROL = (Step(0, _ssh("carol", _KEY, _HIS), "h1"), Step(1, _opens("carol", 1002, 9), "h1"))

CORRELATION = Correlation(
    id=_ID,
    version=2,
    title="Another's private key read, then used elsewhere",
    severity="high",
    attack=("T1552.004", "T1021.004"),
    kinds=(Read, Accepted, Changed),
    state=State,
    step=_step,
    revised=_revised,
    parameters=(_WINDOW, _READERS),
    hits=(
        Story(
            "over the reader's own session", (*_IN, Step(50, _TAKEN, "h1"), Step(100, _CALL, "h1"), *_THERE)
        ),
        Story(
            "the connection to there is told last",
            (*_IN, Step(50, _TAKEN, "h1"), *_THERE, Step(100, _CALL, "h1")),
        ),
        Story(
            "from the reader's address, as a service account that lists the key",
            (
                *_IN,
                Step(5, _LIST, "h1"),
                Step(50, _TAKEN, "h1"),
                Step(3 * DAY, _ssh("deploy", _KEY, _HER), "h2"),
            ),
        ),
        Story(
            "the operator says whose key it is",
            (*_IN, Step(50, _TAKEN, "h1"), Step(DAY, _ssh("deploy", _KEY, _HER), "h2")),
            organisation=Organisation((Human("Carol Chen", ("carol",), (_KEY,)),)),
        ),
        Story(
            "the read is told last",
            (*_IN, Step(3600, _ssh("carol", _KEY, _HER), "h2"), Step(50, _TAKEN, "h1")),
        ),
    ),
    misses=(
        Story(
            "who became the account has its ssh use the key",
            (*_IN, Step(50, _USED, "h1"), Step(100, _CALL, "h1"), *_THERE),
        ),
        Story(
            "the owner uses their own key",
            (*_IN, Step(50, _TAKEN, "h1"), Step(90, _ssh("carol", _KEY, _HIS), "h2")),
        ),
        Story(
            "ssh-agent reads the owner's key",
            (*_CAROL, Step(50, _OWN, "h1"), Step(90, _ssh("carol", _KEY, _HIS), "h2")),
        ),
        Story(
            "the owner always came from the reader's network",
            (
                *_IN,
                Step(10, _ssh("carol", _KEY, _HER), "h2"),
                Step(50, _TAKEN, "h1"),
                Step(90, _ssh("carol", _KEY, _HER), "h2"),
            ),
        ),
        Story(
            "the reader goes on with their own key",
            (
                *_IN,
                Step(50, _TAKEN, "h1"),
                Step(100, _CALL, "h1"),
                Step(101, _ssh("alice", _ALICES, _HOP), "h2"),
            ),
        ),
        Story("weeks later", (*_IN, Step(50, _TAKEN, "h1"), Step(20 * DAY, _ssh("carol", _KEY, _HER), "h2"))),
        Story(
            "a public key is read",
            (
                *_IN,
                Step(50, Read(path=f"{_PATH}.pub", tree="/home/*/.ssh/id_*", actor=_CAT, owner=1002), "h1"),
                Step(90, _ssh("carol", _KEY, _HER), "h2"),
            ),
        ),
    ),
)

"""A person reads the secret of an account for which they did not act before, as a service's private key."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from evidence.kind import Actor
from evidence.kinds.file import Read
from evidence.kinds.login import Accepted, SessionOpen
from evidence.kinds.process import Exec

from ..by_person import by_person, is_change, is_system_program
from ..examples import DAY, SERVICE, WINDOW, alice, opened, run
from ..measures.baselines import FirstSeen, day_seen
from ..measures.session_work import describe
from ..record import Record
from ..rule import Correlation, Finding, Parameter, Site, Step, Story

_LEARN = Parameter("learn", 7, "days", "before, every account that a person acts for is new")
_FORGET = Parameter("forget", 30, "days", "who acted for an account within a month does so as their work")
_USERS = Parameter(
    "users",
    "ssh scp sftp sshd sshd-session ssh-agent sudo su login passwd unix_chkpwd cron crond systemd polkitd"
    " useradd usermod userdel vipw pwck aide dpkg",
    "program names",
    "these use the secret and show it to nobody",
)


class State(msgspec.Struct):
    """By person: the user ids for which they acted, by day; and "here", on days with a login."""

    acted: FirstSeen = msgspec.field(default_factory=FirstSeen)


def _step(state: State, record: Record, site: Site) -> Iterable[Finding]:
    body = record.event.body
    if isinstance(body, Exec) and (body.auid is None or body.uid is None or body.uid == body.auid):
        return ()  # nearly every event: nobody acts for another
    person = by_person(record, site)
    if person is None:
        return ()
    day = day_seen(record)
    if isinstance(body, Exec):
        state.acted.saw(person.name, f"as {body.uid}", day)
    elif isinstance(body, Accepted | SessionOpen):
        state.acted.saw(person.name, "here", day)
    elif isinstance(body, Read):
        return _judge(state, record, body, day, site)
    return ()


def _judge(state: State, record: Record, body: Read, day: int, site: Site) -> Iterable[Finding]:
    actor, person = body.actor, record.person
    if actor is None or person is None or actor.auid is None or body.owner in (None, actor.auid):
        return
    if is_system_program(actor.exe, site.words(_ID, _USERS)) or is_change(record, site):
        return
    learn, forget = int(site.number(_ID, _LEARN)), int(site.number(_ID, _FORGET))
    # Whoever acted for the account, or by root for all, on an earlier day does so as their work.
    for one in {f"as {body.owner}", f"as {actor.uid}"} - {f"as {actor.auid}"}:
        if not state.acted.is_new(person.name, one, day, forget=forget, learn=learn):
            return
    yield Finding(
        entity=f"{record.agent}|{person.name}|{body.path}",
        summary=f"{describe(person)} read {body.path} on {record.host}, which is user {body.owner}'s, "
        f"as user {actor.uid}: for neither they acted in the last {forget} days",
        time=body.first or record.event.time,
        agent=record.agent,
        host=record.host,
        evidence=(record.uid,),
        person=person,
        details={"path": body.path},
    )


_ID = "service-secret"
_KEY = "/home/deploy/.ssh/id_rsa"
_AS_DEPLOY = run("cat", _KEY, uid=1500)


def _read(exe: str = "/usr/bin/cat", uid: int = 1500, **fields: int | None) -> Read:
    return Read(path=_KEY, tree="/home/*/.ssh/id_*", owner=1500, actor=alice(exe, uid=uid, **fields))


def _story(why: str, *bodies: tuple[float, Exec | Read], organisation: object = None) -> Story:
    """Return alice known since day 0, and what happens at days after."""
    steps = [Step(0, opened()), Step(1, run("id", uid=1000))]
    steps += [Step(day * DAY, body) for day, body in bodies]
    return Story(why, tuple(steps), organisation=organisation)  # type: ignore[arg-type]


CORRELATION = Correlation(
    id=_ID,
    version=1,
    title="Secret of an account read that this person never acted for",
    severity="medium",
    attack=("T1552.004", "T1548.003"),
    kinds=(Exec, Read, Accepted, SessionOpen),
    state=State,
    step=_step,
    parameters=(_LEARN, _FORGET, _USERS),
    hits=(
        _story("sudo -u deploy cat its key", (10, _AS_DEPLOY), (10, _read())),
        _story("the read's event comes first", (10, _read()), (10, _AS_DEPLOY)),
        _story(
            "as root, for the first time", (10, run("cp", _KEY, "/root/k")), (10, _read("/usr/bin/cp", uid=0))
        ),
        _story("a copy of ssh of their own", (10, _read("/home/alice/ssh"))),
        _story("they acted for it two months ago", (1, _AS_DEPLOY), (60, _read())),
    ),
    misses=(
        _story("become deploy is daily work", *[(day, _AS_DEPLOY) for day in (1, 5, 9)], (10, _read())),
        _story("an administrator is root every week", (3, run("id")), (10, _read(uid=0))),
        _story("ssh uses the key as deploy", (10, _read("/usr/bin/ssh"))),
        _story("one's own key", (10, _read(auid=1500))),
        _story("in the first days all is new", (2, _AS_DEPLOY), (2, _read())),
        _story("announced work", (10, _read()), organisation=WINDOW),
        _story("a robot's account", (10, _read()), organisation=SERVICE),
        _story(
            "a service reads its own",
            (10, Read(path=_KEY, tree=_KEY, owner=1500, actor=Actor(pid=5, uid=1500))),
        ),
    ),
)

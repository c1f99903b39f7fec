"""Which of the connections with one source explains which of the logins from there. Pure.

One connection explains one login, and one login has one connection. Addresses and ports are used again, and
clocks differ, so the times have to agree with both: where they do not, the person is nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from .jobs import Caused

LIMIT = 900_000_000_000
"""Nanoseconds between connection and login: sshd waits two minutes for one, and clocks may differ by more."""
MARGIN = 2_000_000_000
"""Differences (ns) that clocks cannot tell apart: two connections so close fit equally well."""
SLACK = 10_000_000_000
"""Nanoseconds by which a login may follow its connection's end: either clock is off by five unseen."""
_OF_ONE_HOST = ("127.", "::1", "169.254.", "fe80:")
Place = tuple[str, int | None]
"""An address and a port."""
Pairs = dict[str, str]
"""The name of the connection by the uid of the login."""


class Call(msgspec.Struct, frozen=True):
    """An outbound connection. uid is of its event; it was from `at` to `ended` (UTC ns), where that is told.

    owner is whose it was, and by which session or cause; None of a service's. doubt (ns) is by how much its
    times may be too late: a host that is taken to be behind may only be late.
    """

    uid: str
    at: int
    agent: str
    host: str
    boot: str
    owner: Caused | None
    local: Place
    remote: Place
    is_told_open: bool = False
    ended: int | None = None
    doubt: int = 0


class Login(msgspec.Struct, gc=False):
    """An accepted login; pid is the service's process, session the key of its session once that is known.

    call is the id of the connection it came by, is_inferred whether only place and time tell. doubt is as
    that of a call.
    """

    uid: str
    at: int
    agent: str
    boot: str
    user: str
    program: str
    source: Place | None = None
    local: Place | None = None
    fingerprint: str | None = None
    session: str | None = None
    call: str | None = None
    is_inferred: bool = False
    doubt: int = 0


def merged(one: Call, other: Call) -> Call:
    """Return what the beginning and the end of one connection tell together."""
    first, last = (one, other) if one.is_told_open or not other.is_told_open else (other, one)
    return msgspec.structs.replace(first, ended=first.ended if first.ended is not None else last.ended)


def pair(calls: Mapping[str, Call], logins: Sequence[Login]) -> Pairs:
    """Return which of calls, by name, explains which of logins; all have the same source.

    The nearest in time belong together. Who has other persons equally near is left out, and so are the
    logins of a host of which more would be explained if its clock were off.
    """
    near = _near(calls, logins)
    found: Pairs = {}
    taken: set[str] = set()
    for _, _, name, uid in near:
        if uid not in found and name not in taken:
            found[uid] = name
            taken.add(name)
    doubtful = _rivalled(calls, near, found)
    for agent in dict.fromkeys(login.agent for login in logins):
        doubtful |= _misplaced(calls, [login for login in logins if login.agent == agent], found)
    return {uid: name for uid, name in found.items() if uid not in doubtful}


_Near = list[tuple[int, int, str, str]]
"""How far apart (ns), when the connection began, its name and the login's uid: nearest first."""


def _near(calls: Mapping[str, Call], logins: Sequence[Login]) -> _Near:
    """Return who may belong together by address and time."""
    found: _Near = []
    for name, call in calls.items():
        since, until = _span(call, calls)
        for login in logins:
            slack = SLACK + call.doubt + login.doubt
            is_in_time = (since is None or login.at >= since - slack) and (
                until is None or login.at <= until + slack
            )
            if is_in_time and _fits(call, login):
                found.append((abs(call.at - login.at), call.at, name, login.uid))
    return sorted(found)


def _span(call: Call, calls: Mapping[str, Call]) -> tuple[int | None, int | None]:
    """Return from when until when a connection may be taken to have let somebody in; None without a limit.

    When the same ends were used again, the former connection was over, and the time of the later one counts.
    """
    same = [
        one.at
        for one in calls.values()
        if (one.agent, one.remote) == (call.agent, call.remote) and one != call
    ]
    since = call.at if any(at < call.at for at in same) else None
    ends = [at for at in same if at > call.at] + ([call.ended] if call.ended is not None else [])
    return since, min(ends, default=None)


def _fits(call: Call, login: Login) -> bool:
    if abs(call.at - login.at) > LIMIT:
        return False
    if call.local[0].startswith(_OF_ONE_HOST) and call.agent != login.agent:
        return False
    return login.local is None or login.local == call.remote


def _rivalled(calls: Mapping[str, Call], near: _Near, found: Pairs) -> set[str]:
    """Return the logins to which another person's connection is as near as the chosen one."""
    chosen = {uid: distance for distance, _, name, uid in near if found.get(uid) == name}
    return {
        uid
        for distance, _, name, uid in near
        if uid in chosen
        and abs(distance - chosen[uid]) <= MARGIN
        and not _is_same(calls[name], calls[found[uid]])
    }


def _is_same(one: Call, other: Call) -> bool:
    if one.owner is None or other.owner is None:
        return one.owner is other.owner
    if one.owner.via is not None or other.owner.via is not None:
        return one.owner.via == other.owner.via
    return one.owner.person.name == other.owner.person.name


def _misplaced(calls: Mapping[str, Call], logins: list[Login], found: Pairs) -> set[str]:
    """Return the logins of one host if its clock may be off: when pairs cross, or order would make more."""
    uids = [login.uid for login in sorted(logins, key=lambda login: (login.at, login.uid))]
    times = [calls[found[uid]].at for uid in uids if uid in found]
    if len(times) == len(logins) and times == sorted(times):
        return set()
    return set(uids) if times != sorted(times) or _in_order(calls, logins) > len(times) else set()


def _in_order(calls: Mapping[str, Call], logins: list[Login]) -> int:
    """Return how many pairs there are at most when both sides keep their order, whatever the times."""
    row = [0] * (len(logins) + 1)
    ordered = sorted(logins, key=lambda login: login.at)
    for call in sorted(calls.values(), key=lambda call: call.at):
        former = row
        row = [0]
        for number, login in enumerate(ordered):
            pair_here = former[number] + _fits(call, login)
            row.append(max(pair_here, former[number + 1], row[number]))
    return row[-1]

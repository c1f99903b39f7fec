"""Which outbound connection of one host an accepted login of another came by. Pure and bounded.

The address and port a login came from are those its connection left with: the same on both hosts, unless
something translates addresses between them. Either end may become known first. Times are the collector's
(`Record.at`). What was chosen for a login is judged anew with each connection and login that could change it,
so that the order of arrival does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from ..bounded import remember
from .hop_pairs import Call, Login, Pairs, Place, merged, pair

NEAR = 5_000_000_000
"""Nanoseconds between connection and login where addresses were translated and only the time tells."""
_CALLS, _LOGINS, _PLACES = 50_000, 50_000, 50_000
_PER_SOURCE, _PER_DESTINATION = 16, 64
_MAPPED = "::ffff:"


class State(msgspec.Struct):
    """What is remembered; the indexes are by address and port, ``ip|port``. Oldest goes first."""

    calls: dict[str, Call] = {}
    logins: dict[str, Login] = {}
    from_source: dict[str, list[str]] = {}
    to_destination: dict[str, list[str]] = {}
    logins_from: dict[str, list[str]] = {}
    logins_at: dict[str, list[str]] = {}
    served: dict[str, Place] = {}
    """The local end of an inbound connection, by agent and remote end: logs of sshd do not name it."""


def place(ip: str, port: int | None) -> Place:
    """Return an address and port; an IPv4 address within IPv6 as itself."""
    return (ip[len(_MAPPED) :] if ip.startswith(_MAPPED) and "." in ip else ip), port


def called(state: State, name: str, call: Call) -> list[Login]:
    """Take a connection in, called name (agent, boot and flow), and return the logins judged otherwise."""
    known = state.calls.get(name)
    if known is not None:
        call = merged(known, call)
    if call == known:
        return []
    remember(state.calls, name, call, _CALLS)
    if known is None or known.local != call.local:
        _index(state.from_source, _text(call.local), name, _PER_SOURCE)
        _index(state.to_destination, _text(call.remote), name, _PER_DESTINATION)
    return _judge(state, _touched(state, call.local), always=name)


def accepted(state: State, login: Login) -> None:
    """Take a login in, and choose the connection it came by; others may be judged otherwise by it."""
    remember(state.logins, login.uid, login, _LOGINS)
    if login.source is None or login.source[1] is None:
        return
    login.local = login.local or state.served.get(f"{login.agent}|{_text(login.source)}")
    _index(state.logins_from, _text(login.source), login.uid, _PER_SOURCE)
    if login.local is not None:
        _index(state.logins_at, _text(login.local), login.uid, _PER_DESTINATION)


def judged(state: State, login: Login) -> list[Login]:
    """Return the logins that are judged otherwise since login was taken in, itself among them."""
    others = _touched(state, login.source) if login.source is not None else []
    return _judge(state, [login.uid, *_near(state, login.local, login.at), *others])


def served(state: State, agent: str, remote: Place, local: Place) -> list[Login]:
    """Learn the local end of an inbound connection, and return the logins judged otherwise."""
    remember(state.served, f"{agent}|{_text(remote)}", local, _PLACES)
    lacking = [
        login
        for login in _named(state, state.logins_from.get(_text(remote), ()))
        if login.agent == agent and login.local is None
    ]
    changed: list[Login] = []
    for login in lacking:
        login.local = local
        _index(state.logins_at, _text(local), login.uid, _PER_DESTINATION)
        changed += judged(state, login)
    return changed


def _judge(state: State, uids: Iterable[str], always: str | None = None) -> list[Login]:
    """Choose anew for these logins: first by both ends, then by place and time among what is left.

    A login whose connection is the one called always counts as changed, for that has another event now.
    """
    logins = [state.logins[uid] for uid in dict.fromkeys(uids) if uid in state.logins]
    before = [(login.call, login.is_inferred) for login in logins]
    sources = dict.fromkeys(login.source for login in logins if login.source is not None)
    pairs = {source: _paired(state, source) for source in sources if source[1] is not None}
    for login in logins:
        direct = pairs.get(login.source) if login.source is not None else None
        login.call, login.is_inferred = (direct or {}).get(login.uid), False
    for login in logins:
        if login.call is None:
            login.call = _inferred(state, login)
            login.is_inferred = login.call is not None
    return [
        login
        for login, former in zip(logins, before, strict=True)
        if (login.call, login.is_inferred) != former or (always is not None and login.call == always)
    ]


def _near(state: State, at: Place | None, time: int) -> Iterator[str]:
    """Yield the logins at a place about a time, which compete for the connections to there."""
    for login in _named(state, state.logins_at.get(_text(at), ())) if at is not None else ():
        if abs(login.at - time) <= 2 * NEAR:
            yield login.uid


def _touched(state: State, source: Place) -> list[str]:
    """Return the logins that one more connection or login of this source may change."""
    touched = list(state.logins_from.get(_text(source), ()))
    for call in _calls(state, source).values():
        touched += _near(state, call.remote, call.at)
    return touched


def _paired(state: State, source: Place) -> Pairs:
    """Return which of the connections with a source explains which of the logins from there."""
    return pair(_calls(state, source), _named(state, state.logins_from.get(_text(source), ())))


def _calls(state: State, source: Place) -> dict[str, Call]:
    names = state.from_source.get(_text(source), ())
    return {name: state.calls[name] for name in names if name in state.calls}


def _inferred(state: State, login: Login) -> str | None:
    """Return the one connection to where the login was, about then, if the login too is the only one."""
    if login.local is None:
        return None
    names = state.to_destination.get(_text(login.local), ())
    near = [name for name in names if _is_near(state, name, login.at) and not _is_taken(state, name)]
    if len(near) != 1:
        return None
    call = state.calls[near[0]]
    rivals = [
        one
        for one in _named(state, state.logins_at.get(_text(login.local), ()))
        if one is not login and abs(one.at - call.at) <= NEAR and (one.call is None or one.is_inferred)
    ]
    source = login.source[0] if login.source is not None else None
    return near[0] if not rivals and source != call.local[0] else None


def _is_near(state: State, name: str, time: int) -> bool:
    return name in state.calls and abs(state.calls[name].at - time) <= NEAR


def _is_taken(state: State, name: str) -> bool:
    """Return whether a login came by just this connection, by both its ends."""
    logins = _named(state, state.logins_from.get(_text(state.calls[name].local), ()))
    return any(login.call == name and not login.is_inferred for login in logins)


def _named(state: State, uids: Iterable[str]) -> list[Login]:
    return [state.logins[uid] for uid in uids if uid in state.logins]


def _index(index: dict[str, list[str]], key: str, name: str, limit: int) -> None:
    names = index.get(key, [])
    if name not in names:
        remember(index, key, [*names, name][-limit:], _PLACES)


def _text(at: Place) -> str:
    return f"{at[0]}|{at[1]}"

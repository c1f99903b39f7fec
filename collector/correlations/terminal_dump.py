"""A file is printed to a terminal in letters, and the session's connection carries as much."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from evidence.kind import Actor, Endpoint
from evidence.kinds.connection import Close, Report
from evidence.kinds.file import Read
from evidence.kinds.process import Exec

from ..bounded import remember
from ..measures.outflow import SECOND, SESSIONS_LIMIT, SIGNS_LIMIT
from ..measures.session_work import READERS, SIGNS, base_name, describe, is_foreign, key, moving, sender, size
from ..measures.windows import Item, Series, uids
from ..record import Record
from ..rule import Connections, Correlation, Finding, Parameter, Site, Step, Story

_BYTES = Parameter("bytes", 300_000, "bytes", "what a terminal shows within the window of ordinary work")
_WINDOW = Parameter("window", 900, "seconds", "in which what was printed has left")
_ENCODERS = Parameter(
    "encoders",
    "base64 base32 basenc xxd od hexdump uuencode",
    "program names",
    "these turn files into letters",
)
_VIEWERS = Parameter(
    "viewers",
    "cat tac less more head tail strings bat nl",
    "program names",
    "these show a secret as it is, if they read one",
)
_READERS = Parameter("readers", READERS, "program names", "these read secrets as their duty")
_SSHD = frozenset({"sshd", "sshd-session", "dropbear"})
_REPORTS_LIMIT = 60
_SECRET = "shown: "  # noqa: S105 - no password


class Terminal(msgspec.Struct, gc=False):
    """One session: what was printed, and its connection's bytes out so far, by time of report."""

    printed: Series = msgspec.field(default_factory=Series)
    reports: Series = msgspec.field(default_factory=Series)


class State(msgspec.Struct):
    """By `session_work.key`."""

    sessions: dict[str, Terminal] = {}


def _step(state: State, record: Record, site: Site) -> Iterable[Finding]:
    body, person = record.event.body, record.person
    if person is None or person.is_scheduled or getattr(body, "direction", "in") != "in":
        return ()
    session = key(record) or ""
    keep = 4 * int(site.number(_ID, _WINDOW)) * SECOND
    if isinstance(body, SIGNS):
        words = _printed(body, site)
        if words is None:
            return ()
        terminal = _terminal(state, session)
        time = (body.first if isinstance(body, Read) else None) or record.event.time
        terminal.printed.add(Item(time, 0, record.uid, words), keep, SIGNS_LIMIT)
        return _judged(terminal, session, record, site)
    flow = moving(record)
    if flow is None or flow.direction != "in" or not flow.bytes_out or sender(flow) not in _SSHD:
        return ()
    terminal = _terminal(state, session)
    item = Item(record.event.time, flow.bytes_out, record.uid, f"{flow.flow}")
    terminal.reports.add(item, keep, _REPORTS_LIMIT)
    return _judged(terminal, session, record, site)


def _terminal(state: State, session: str) -> Terminal:
    terminal = state.sessions.get(session)
    if terminal is None:
        terminal = Terminal()
        remember(state.sessions, session, terminal, SESSIONS_LIMIT)
    return terminal


def _printed(body: Exec | Read, site: Site) -> str | None:
    """Return what is printed: a file, encoded, on a terminal; or a secret by a program that shows it."""
    if isinstance(body, Exec):
        is_file = any(not word.startswith("-") for word in body.argv[1:])
        is_decoding = any(word in ("-d", "-D", "--decode", "-r") for word in body.argv[1:])
        if body.tty is None or not is_file or is_decoding:
            return None
        return f"printed with {' '.join(body.argv)[:200]}"
    name = base_name((body.actor.exe if body.actor is not None else None) or "")
    if name not in site.words(_ID, _VIEWERS) and name not in site.words(_ID, _ENCODERS):
        return None
    return f"{_SECRET}{body.path} with {name}" if is_foreign(body, site.words(_ID, _READERS)) else None


def _judged(terminal: Terminal, session: str, record: Record, site: Site) -> Iterable[Finding]:
    window = int(site.number(_ID, _WINDOW)) * SECOND
    for sign in terminal.printed.items:
        later = terminal.reports.between(sign.time, sign.time + window)
        is_secret = sign.label.startswith(_SECRET)
        left = _grown(terminal, later)
        if not later or left < (1 if is_secret else site.number(_ID, _BYTES)):
            continue
        person = describe(record.person) if record.person is not None else "somebody"
        yield Finding(
            entity=f"{session}|terminal",
            summary=f"{person} on {record.host}: {sign.label}; then {size(left)} left by the session",
            time=later[-1].time,
            agent=record.agent,
            host=record.host,
            evidence=tuple(dict.fromkeys((sign.uid, *uids(later)))),
            person=record.person,
            bytes_out=left,
        )
        return


def _grown(terminal: Terminal, later: list[Item]) -> int:
    """Return by how much the connections' bytes grew over the last reports before these."""
    most: dict[str, int] = {}
    for item in later:
        most[item.label] = max(most.get(item.label, 0), item.value)
    before = dict.fromkeys(most, 0)
    for item in terminal.reports.items:
        if item.label in before and item.time < later[0].time:
            before[item.label] = max(before[item.label], item.value)
    return sum(most[flow] - before[flow] for flow in most)


def _programs(site: Site) -> frozenset[str]:
    return site.words(_ID, _ENCODERS)


def _connections(_site: Site) -> Connections:
    return Connections("in", programs=_SSHD)


_ID = "terminal-dump"
_SERVER = Actor(pid=70, exe="/usr/sbin/sshd", uid=1000, auid=1000, session=7)
_LESS = Actor(pid=71, exe="/usr/bin/less", uid=0, auid=1000, session=7)


def _ran(*argv: str, tty: str | None = "pts0") -> Exec:
    return Exec(pid=50, exe=f"/usr/bin/{argv[0]}", argv=argv, uid=1000, auid=1000, session=7, tty=tty)


def _report(out: int, flow: int = 1) -> Report:
    return Report(
        flow=flow,
        protocol="tcp",
        direction="in",
        local=Endpoint(ip="10.0.0.5", port=22),
        remote=Endpoint(ip="198.51.100.7", port=50_000),
        bytes_out=out,
        bytes_in=9000,
        actor=_SERVER,
    )


def _read(path: str, owner: int, actor: Actor = _LESS) -> Read:
    return Read(path=path, tree=path, actor=actor, owner=owner, bytes=1500)


_BASE64 = _ran("base64", "/srv/orders.db")

CORRELATION = Correlation(
    id=_ID,
    version=1,
    title="File carried away over the terminal",
    severity="medium",
    attack=("T1132.001", "T1048"),
    kinds=(Exec, Read, Close, Report),
    state=State,
    step=_step,
    parameters=(_BYTES, _WINDOW, _ENCODERS, _VIEWERS, _READERS),
    programs=_programs,
    connections=_connections,
    hits=(
        Story(
            "base64 of a file, off the screen",
            (Step(0, _report(40_000)), Step(9, _BASE64), Step(60, _report(900_000))),
        ),
        Story("xxd, told after its bytes", (Step(60, _report(900_000)), Step(5, _ran("xxd", "/srv/x")))),
        Story(
            "the shadow file shown in a pager",
            (Step(0, _report(40_000)), Step(5, _read("/etc/shadow", 0)), Step(60, _report(52_000))),
        ),
    ),
    misses=(
        Story(
            "journalctl -f, 10 MB of logs", (Step(0, _ran("journalctl", "-f")), Step(60, _report(10_000_000)))
        ),
        Story(
            "base64 of a short file", (Step(0, _report(40_000)), Step(9, _BASE64), Step(60, _report(90_000)))
        ),
        Story("base64 decodes", (Step(0, _ran("base64", "-d", "/srv/x")), Step(60, _report(900_000)))),
        Story(
            "base64 in a pipe of a script",
            (Step(0, _ran("base64", "/srv/x", tty=None)), Step(60, _report(900_000))),
        ),
        Story(
            "much was shown long before",
            (Step(0, _report(900_000)), Step(60, _BASE64), Step(120, _report(910_000))),
        ),
        Story(
            "a person's own key",
            (Step(0, _read("/home/alice/.ssh/id_ed25519", 1000)), Step(60, _report(900_000))),
        ),
        Story(
            "sudo checks a password",
            (
                Step(
                    0, _read("/etc/shadow", 0, Actor(pid=5, exe="/usr/bin/sudo", uid=0, auid=1000, session=7))
                ),
                Step(60, _report(900_000)),
            ),
        ),
    ),
)

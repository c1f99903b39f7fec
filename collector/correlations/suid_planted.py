"""A person gave a file the rights of another (set-uid, capabilities), and somebody executed it.

Medium when it is set, outside of packages; high when another login than the one that set it uses it.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from evidence.kind import Actor
from evidence.kinds.file import Attributes, Change, Create, Explanation, FileState, Rename
from evidence.kinds.process import Exec

from ..bounded import remember
from ..by_person import SCRIPTED, applet, by_person, command, is_below, is_change, is_explained, is_installer
from ..examples import BASH, DPKG, SERVICE, WINDOW, alice, at_once, run
from ..measures.session_work import describe
from ..record import Person, Record
from ..rule import Correlation, Finding, Parameter, Site, Step, Story

_WINDOW = Parameter("window", 90, "days", "a door is left to be used later")
_MARKS_LIMIT = 10_000
_USES_LIMIT = 10_000
_NS_OF_DAY = 86_400_000_000_000
_SETUID, _SETGID_RUN = 0o4000, 0o2010
_MODE = 4
"""Octal digits of a mode that sets more than permissions."""
_GIVERS = frozenset({"chmod", "setcap", "install", "busybox"})
_SETS = frozenset(
    f"{folder}{name}" for folder in ("/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/") for name in _GIVERS
)
_SYSTEM = ("/usr/bin/", "/usr/sbin/", "/usr/lib/", "/usr/libexec/", "/bin/", "/sbin/")
_KEPT = 4


class Mark(msgspec.Struct, frozen=True):
    """Who gave a file rights: time (UTC ns), uid of the event, by which login."""

    time: int
    uid: str
    person: Person
    auid: int | None
    how: str


class File(msgspec.Struct):
    """One path: the first mark, and first uses of its rights, (time, uid, login uid, who)."""

    mark: Mark | None = None
    uses: list[tuple[int, str, int, str]] = []


class State(msgspec.Struct):
    """By ``agent|path``."""

    files: dict[str, File] = {}


def _step(state: State, record: Record, site: Site) -> Iterable[Finding]:
    body = record.event.body
    if isinstance(body, Exec):
        if body.elevated:
            return _used(state, record, body, site)
        return _commanded(state, record, body, site) if body.exe in _SETS and body.argv else ()
    if not isinstance(body, Create | Change | Attributes | Rename) or not _has_rights(body):
        return ()
    if is_explained(body.explained_by) or is_installer(body.actor):
        return ()
    auid = body.actor.auid if body.actor is not None else None
    return _marked(state, record, body.path, (auid, "the file's mode"), site)


def _commanded(state: State, record: Record, body: Exec, site: Site) -> Iterable[Finding]:
    path = _target(body)
    if path is None or is_below(body, SCRIPTED):
        return ()
    return _marked(state, record, path, (body.auid, command(body)), site)


def _target(body: Exec) -> str | None:
    """Return the file that a command gives rights to; set-gid alone is how folders are shared."""
    name, words = applet(body), [one for one in body.argv[1:] if one != applet(body)]
    if name == "setcap":
        named = [one for one in words if not one.startswith("-")]
        return _absolute(body, named[-1]) if len(named) > 1 and "-r" not in words else None
    modes = [one.rpartition("=")[2] if one.startswith("--mode") else one for one in words]
    if name == "install":
        modes = [
            following if option in ("-m", "--mode") else option.removeprefix("-m").removeprefix("--mode=")
            for option, following in zip(words, (*words[1:], ""), strict=False)
            if option.startswith(("-m", "--mode"))
        ]
    if name not in ("chmod", "install") or not any(_gives(mode) for mode in modes):
        return None
    return _absolute(body, words[-1])


def _gives(mode: str) -> bool:
    """Return whether a mode of chmod(1) sets set-uid: octal, or clauses such as ``u+s``."""
    if mode.isdecimal():
        return len(mode) >= _MODE and "4" <= mode[-_MODE] <= "7"
    return any(_is_setuid(clause) for clause in mode.split(","))


def _is_setuid(clause: str) -> bool:
    for operator in "+=":
        who, found, rights = clause.partition(operator)
        if found and "s" in rights and set(who) <= set("ugoa") and set(rights) <= set("rwxXst"):
            return not who or "u" in who or "a" in who
    return False


def _absolute(body: Exec, path: str) -> str:
    return (
        path
        if path.startswith("/") or body.cwd is None
        else f"{body.cwd.rstrip('/')}/{path.removeprefix('./')}"
    )


def _has_rights(body: Create | Change | Attributes | Rename) -> bool:
    before = None if isinstance(body, Create | Rename) else body.before
    return _is_elevating(body.after) and not _is_elevating(before)


def _is_elevating(file: FileState | None) -> bool:
    if file is None or file.type != "file":
        return False
    mode = file.mode or 0
    return bool(file.capabilities or mode & _SETUID or mode & _SETGID_RUN == _SETGID_RUN)


def _marked(
    state: State, record: Record, path: str, by: tuple[int | None, str], site: Site
) -> Iterable[Finding]:
    person = by_person(record, site)
    if person is None or is_change(record, site):
        return ()
    key = f"{record.agent}|{path}"
    file = state.files.get(key) or File()
    mark = Mark(record.at, record.uid, person, *by)
    if file.mark is None or (mark.time, mark.uid) < (file.mark.time, file.mark.uid):
        file.mark = mark
    remember(state.files, key, file, _MARKS_LIMIT)
    return _judge(file, path, record, site)


def _used(state: State, record: Record, body: Exec, site: Site) -> Iterable[Finding]:
    """Note who got rights by a file; of what the system has, only if it was marked before."""
    path = body.host_exe or body.exe
    if path is None or body.auid is None:
        return ()
    key = f"{record.agent}|{path}"
    file = state.files.get(key)
    if file is None:
        if path.startswith(_SYSTEM):
            return ()
        file = File()
    name = record.person.name if record.person is not None else f"uid {body.auid}"
    if all(use[2] != body.auid for use in file.uses):
        file.uses = sorted([*file.uses, (record.at, record.uid, body.auid, name)])[:_KEPT]
    remember(state.files, key, file, _USES_LIMIT)
    return _judge(file, path, record, site)


def _judge(file: File, path: str, record: Record, site: Site) -> Iterable[Finding]:
    mark, window = file.mark, int(site.number(_ID, _WINDOW) * _NS_OF_DAY)
    if mark is None:
        return ()
    others = [use for use in file.uses if use[2] != mark.auid and 0 <= use[0] - mark.time <= window]
    then = f"; {others[0][3]} executed it" if others else ""
    return (
        Finding(
            entity=f"{record.agent}|{path}",
            summary=f"{describe(mark.person)} gave {path} on {record.host} the rights of another "
            f"({mark.how}){then}",
            time=others[0][0] if others else mark.time,
            agent=record.agent,
            host=record.host,
            evidence=(mark.uid, *[use[1] for use in others]),
            person=mark.person,
            severity="high" if others else "medium",
            details={"path": path},
        ),
    )


_ID = "suid-planted"
_B = "/usr/local/bin/b"
_OWN = alice("/home/alice/x")
_USE = run(_B, uid=1001, auid=1001, session=8, login="bob", elevated=True)
_SUID, _PLAIN = FileState(mode=0o4755, size=9), FileState(mode=0o755, size=9)

CORRELATION = Correlation(
    id=_ID,
    version=1,
    title="File with the rights of another, outside packages",
    severity="medium",
    attack=("T1548.001",),
    kinds=(Exec, Create, Change, Attributes, Rename),
    state=State,
    step=_step,
    parameters=(_WINDOW,),
    programs=lambda _site: _GIVERS,
    unusual=True,
    hits=(
        at_once("set, then used by bob", run("chmod", "u+s", _B), _USE),
        Story("its use arrives first", (Step(9, _USE), Step(0, run("chmod", "4755", _B)))),
        at_once("set, and not used yet", run("chmod", "+s", "b", cwd="/usr/local/bin")),
        at_once("a capability", run("setcap", "cap_setuid+ep", _B)),
        at_once("install sets it at once", run("install", "-m", "4755", "/bin/bash", _B)),
        at_once("seen at the file", Attributes(path=_B, actor=_OWN, before=_PLAIN, after=_SUID)),
        at_once("a copy that keeps it", Create(path=_B, actor=alice("/usr/bin/cp"), after=_SUID), _USE),
        at_once("a capability of the file", Change(path=_B, actor=_OWN, after=FileState(capabilities="01"))),
    ),
    misses=(
        at_once(
            "dpkg installs sudo",
            Create(
                path="/usr/bin/sudo",
                actor=alice("/usr/bin/dpkg"),
                after=_SUID,
                explained_by=Explanation(package="sudo", matches=True),
            ),
        ),
        at_once("a package's script sets it", run("chmod", "u+s", "/usr/bin/ping", ancestry=(BASH, DPKG))),
        at_once("sudo is used", run("sudo", "id", elevated=True)),
        at_once(
            "a folder is shared by its group", run("chmod", "2775", "/srv/x"), run("chmod", "g+s", "/srv")
        ),
        at_once("a plain mode", run("chmod", "0755", _B), run("chmod", "u+rwx", _B)),
        at_once("the right is taken away", run("chmod", "u-s", _B), run("setcap", "-r", _B)),
        at_once("it had it before", Attributes(path=_B, actor=alice(), before=_SUID, after=_SUID)),
        at_once("a service sets its own", Create(path=_B, actor=Actor(pid=5, uid=0), after=_SUID)),
        at_once("announced work", run("chmod", "u+s", _B), organisation=WINDOW),
        at_once("a robot's account", run("chmod", "u+s", _B), organisation=SERVICE),
    ),
)

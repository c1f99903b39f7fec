"""A library put before all others: in /etc/ld.so.preload, or in the environment of a privileged program.

Only a person's privileged program counts: units preload allocators, and set-uid programs drop the variable.
"""

from __future__ import annotations

from evidence.kind import Actor
from evidence.kinds.file import Change, Create, Explanation, Rename
from evidence.kinds.process import Exec

from ..by_person import by_person, command, is_change, is_explained, is_installer, session_of
from ..examples import SERVICE, WINDOW, alice, at_once, by_cron, run
from ..measures.session_work import describe
from ..one_event import finding, who
from ..record import Record
from ..rule import Detection, Finding, Parameter, Site

_FOLDERS = Parameter(
    "folders",
    "/lib /lib64 /usr/lib /usr/lib64 /usr/libexec",
    "folders",
    "packages alone put libraries here",
)
_FILE = "/etc/ld.so.preload"
_VARIABLES = ("LD_PRELOAD", "LD_AUDIT")


def _find(record: Record, site: Site) -> Finding | None:
    body = record.event.body
    if isinstance(body, Exec):
        return _in_environment(record, body, site) if body.environment else None
    if not isinstance(body, Create | Change | Rename) or body.path != _FILE:
        return None
    if is_explained(body.explained_by) or is_installer(body.actor) or is_change(record, site):
        return None
    writer = who(record, "an unknown process")
    return finding(
        record, _FILE, f"{writer} wrote {_FILE} on {record.host}: every program loads what it names"
    )


def _in_environment(record: Record, body: Exec, site: Site) -> Finding | None:
    if body.uid != 0 and body.euid != 0 and not body.elevated:
        return None
    environment, folders = body.environment or {}, site.words(_ID, _FOLDERS)
    foreign = [
        path
        for name in _VARIABLES
        for path in environment.get(name, "").replace(":", " ").split()
        if "/" in path and not _is_in(path, folders)
    ]
    person = by_person(record, site)
    if not foreign or person is None or is_change(record, site):
        return None
    said = f"{describe(person)} put {foreign[0]} into {command(body)} on {record.host}, which runs as root"
    return finding(record, f"{session_of(record)}|{foreign[0]}", said, severity="medium")


def _is_in(path: str, folders: frozenset[str]) -> bool:
    return "/../" not in path and any(path.startswith(f"{folder}/") for folder in folders)


_ID = "preload"
_EVIL = {"LD_PRELOAD": "/dev/shm/x.so"}  # noqa: S108 - data
_JEMALLOC = {"LD_PRELOAD": "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2"}

DETECTION = Detection(
    id=_ID,
    version=1,
    title="Library preloaded into privileged programs",
    severity="high",
    attack=("T1574.006",),
    kinds=(Exec, Create, Change, Rename),
    find=_find,
    parameters=(_FOLDERS,),
    programs=lambda _site: frozenset(),
    unusual=True,
    hits=(
        at_once("ld.so.preload appears", Create(path=_FILE, actor=alice("/usr/bin/tee"))),
        at_once("it is renamed into place", Rename(path=_FILE, former="/etc/x", actor=alice("/usr/bin/mv"))),
        at_once("nobody knows who wrote it", Change(path=_FILE)),
        at_once("sshd with a library of theirs", run("/usr/sbin/sshd", "-p", "2222", environment=_EVIL)),
        at_once(
            "as an auditor of the linker, second of two",
            run("su", environment={"LD_AUDIT": "/usr/lib/libx.so:/home/alice/a.so"}),
        ),
    ),
    misses=(
        at_once("a unit preloads jemalloc", Exec(pid=5, exe="/usr/bin/redis", uid=0, environment=_EVIL)),
        at_once("a person runs what a package preloads", run("redis-server", environment=_JEMALLOC)),
        at_once("a person's own program", run("ls", uid=1000, environment=_EVIL)),
        at_once("a name without a path", run("faked", environment={"LD_PRELOAD": "libfakeroot-0.so"})),
        at_once(
            "a package's own file",
            Create(path=_FILE, explained_by=Explanation(package="snoopy", matches=True)),
        ),
        at_once("a package's script writes it", Create(path=_FILE, actor=Actor(pid=5, exe="/usr/bin/dpkg"))),
        at_once("another file", Create(path="/etc/ld.so.conf", actor=alice())),
        at_once("announced work", Create(path=_FILE, actor=alice()), organisation=WINDOW),
        at_once("a robot's account", run("su", environment=_EVIL), organisation=SERVICE),
        at_once("root's timer", *by_cron("backup", environment=_EVIL)),
    ),
)

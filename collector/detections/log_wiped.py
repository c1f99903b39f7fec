"""A person removed what the system keeps of people's acts: logs, login records, the shell's history.

What was sealed before stays with the collector, so the wiping is itself the trace. Rotated logs do not count.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from evidence.kind import Actor
from evidence.kinds.file import Change, Delete, FileState
from evidence.kinds.process import Exec

from ..alert import Severity
from ..by_person import (
    SCRIPTED,
    SHELLS,
    applet,
    by_person,
    command,
    is_below,
    is_change,
    is_explained,
    is_system_program,
    session_of,
)
from ..examples import BASH, DPKG, SERVICE, WINDOW, alice, at_once, by_cron, run
from ..measures.session_work import describe
from ..one_event import finding
from ..record import Record
from ..rule import Detection, Finding, Parameter, Site

_AGE = Parameter("age", 86_400, "seconds", "who only wants disk space keeps more than a day of the journal")
_SIZE = Parameter("size", 16_777_216, "bytes", "who only wants disk space keeps more of the journal")
_LOG = re.compile(
    r"/(?:var/log|var/run|run)/(?:auth\.log|secure|syslog|messages|kern\.log|sudo\.log|daemon\.log|user\.log"
    r"|[wbu]tmp|wtmp\.db|lastlog|lastlog2\.db|faillog|audit|journal)(?![\w.-])"
)
_HISTORY = re.compile(r"/\.(?:(?:ba|z|k)?sh|python|mysql|psql)_?history(?![\w.-])")
_NO_HISTORY = re.compile(r"\bhistory\s+-\w*[cw]|HISTFILE=(?:/dev/null|;|\s|$)|unset\s+HISTFILE|HISTSIZE=0")
_EMPTIED = re.compile(rf"(?<![>&\d])>\|?\s*[\"']?{_LOG.pattern}")
_VACUUM = re.compile(r"--vacuum-(time|size|files)[= ](\d+)\s*([A-Za-z]*)")
_SECONDS = {"": 1, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hr": 3600, "us": 0, "ms": 0}
_BYTES = {"": 1, "K": 1 << 10, "M": 1 << 20}
_KEEPERS = frozenset({"logrotate", "systemd-journald", "rsyslogd", "syslog-ng", "auditd", "savelog"})
_BENIGN = SCRIPTED | {"logrotate", "savelog"}
_ARGV = Callable[[tuple[str, ...], str], bool]


def _names(_argv: tuple[str, ...], text: str) -> bool:
    return _LOG.search(text) is not None


def _has(*options: str) -> _ARGV:
    return lambda argv, _text: not set(options).isdisjoint(argv)


_VERBS: dict[str, _ARGV] = {
    **dict.fromkeys(("truncate", "shred", "rm", "unlink", "mv"), _names),
    **dict.fromkeys(("cp", "ln", "install"), lambda argv, _text: _LOG.search(argv[-1]) is not None),
    "sed": lambda argv, text: any(one.startswith(("-i", "--in-p")) for one in argv) and _names(argv, text),
    "tee": lambda argv, text: {"-a", "--append"}.isdisjoint(argv) and _names(argv, text),
    "find": lambda argv, text: not {"-delete", "rm", "shred"}.isdisjoint(argv) and "/var/log" in text,
    "dd": lambda argv, _text: any(one.startswith("of=") and _LOG.search(one) for one in argv),
    "utmpdump": _has("-r", "--reverse"),
    "auditctl": lambda argv, text: "-D" in argv or "-e 0" in text,
    "lastlog": _has("-C", "--clear"),
    **dict.fromkeys(SHELLS, lambda _argv, text: _EMPTIED.search(text) is not None),
}
_BY_OPTION = frozenset({"journalctl", "utmpdump", "auditctl", "lastlog"})
_WORDS = ("/log", "/run/", "hist", "HIST")
"""One of these is in every other command line that is looked for."""
_HISTORY_VERBS = frozenset({"truncate", "shred", "rm", "unlink", "ln", "cp", "tee"})
_PROGRAMS = frozenset({*_VERBS, "journalctl", "busybox"})


def _find(record: Record, site: Site) -> Finding | None:
    body = record.event.body
    if isinstance(body, Exec):
        return _by_command(record, body, site)
    if not isinstance(body, Change | Delete) or not _is_wiped(body):
        return None
    person = by_person(record, site)
    if person is None:
        return None
    return _told(record, site, body.path, f"{describe(person)} wiped {body.path}")


def _by_command(record: Record, body: Exec, site: Site) -> Finding | None:
    name, text = applet(body), " ".join(body.argv)
    if not body.argv or (name not in _BY_OPTION and not any(word in text for word in _WORDS)):
        return None
    person = by_person(record, site)
    if person is None:
        return None
    if _is_wiping(name, body.argv, text, site) and not is_below(body, _BENIGN):
        return _told(record, site, name, f"{describe(person)} wiped logs with: {command(body)}")
    if _NO_HISTORY.search(text) or (name in _HISTORY_VERBS and _HISTORY.search(text)):
        said = f"{describe(person)} hid the shell's history with: {command(body)}"
        return _told(record, site, "history", said, "low")
    return None


def _is_wiping(name: str, argv: tuple[str, ...], text: str, site: Site) -> bool:
    if name == "journalctl":
        return _is_vacuum(text, site)
    verb = _VERBS.get(name)
    return verb is not None and verb(argv, text)


def _is_vacuum(text: str, site: Site) -> bool:
    """Return whether next to nothing of the journal is kept."""
    for what, number, unit in _VACUUM.findall(text):
        count = int(number[:12])
        if what == "files" and count <= 1:
            return True
        if what == "time" and unit in _SECONDS and count * _SECONDS[unit] < site.number(_ID, _AGE):
            return True
        if (
            what == "size"
            and unit.upper() in _BYTES
            and count * _BYTES[unit.upper()] < site.number(_ID, _SIZE)
        ):
            return True
    return False


def _is_wiped(body: Change | Delete) -> bool:
    """Return whether a log went or shrank, and its keeper did not do it."""
    actor = body.actor
    if actor is None or not _LOG.match(body.path) or is_explained(body.explained_by):
        return False
    if is_system_program(actor.exe, _KEEPERS):
        return False
    if isinstance(body, Delete):
        return True
    before, after = body.before, body.after
    return bool(before and after and before.size and after.size is not None and after.size < before.size)


def _told(record: Record, site: Site, what: str, summary: str, severity: Severity = "high") -> Finding:
    if is_change(record, site):  # announced work needs no log wiped: it adds risk, and alerts nobody
        severity = "low"
    about = f"{session_of(record)}|{what}"
    return finding(record, about, f"{summary}, on {record.host}", severity=severity)


_ID = "log-wiped"
_WTMP = FileState(size=40_000)
_EMPTY = FileState(size=0)

DETECTION = Detection(
    id=_ID,
    version=1,
    title="Traces removed by a person",
    severity="high",
    attack=("T1070.002", "T1070.003"),
    kinds=(Exec, Change, Delete),
    find=_find,
    programs=lambda _site: _PROGRAMS,
    parameters=(_AGE, _SIZE),
    hits=(
        at_once("the journal is emptied", run("journalctl", "--vacuum-time=1s")),
        at_once("the journal is kept to nothing", run("journalctl", "--rotate", "--vacuum-size", "1M")),
        at_once("truncate of wtmp", run("truncate", "-s", "0", "/var/log/wtmp")),
        at_once("a shell's redirection", run("sh", "-c", "> /var/log/auth.log")),
        at_once("/dev/null copied over it", run("cp", "/dev/null", "/var/log/lastlog")),
        at_once("lines taken out", run("sed", "-i", "/203.0.113.9/d", "/var/log/auth.log")),
        at_once("audit's rules are dropped", run("auditctl", "-D")),
        at_once("busybox does it", run("/tmp/busybox", "rm", "-rf", "/var/log/journal")),  # noqa: S108 - data
        at_once("history -c", run("bash", "-c", "history -c; exit", uid=1000)),
        at_once("the history's file is /dev/null", run("ln", "-sf", "/dev/null", "/root/.bash_history")),
        at_once(
            "a program empties it", Change(path="/var/log/wtmp", actor=alice(), before=_WTMP, after=_EMPTY)
        ),
        at_once("within a change window: low", run("rm", "/var/log/syslog"), organisation=WINDOW),
        at_once("a program deletes it", Delete(path="/var/log/audit/audit.log", actor=alice("/tmp/x"))),  # noqa: S108 - data
    ),
    misses=(
        at_once("logrotate, by root's timer", *by_cron("rm", "-f", "/var/log/auth.log")),
        at_once(
            "logrotate empties a log for a person",
            Change(
                path="/var/log/auth.log",
                actor=alice("/usr/sbin/logrotate"),
                before=FileState(size=9000),
                after=_EMPTY,
            ),
        ),
        at_once("journald keeps its cap", Delete(path="/var/log/journal/x", actor=Actor(pid=5, uid=0))),
        at_once("disk space is wanted", run("journalctl", "--vacuum-size=500M")),
        at_once("weeks of the journal are kept", run("journalctl", "--vacuum-time=2weeks")),
        at_once("a rotated log is deleted", run("rm", "/var/log/auth.log.4.gz")),
        at_once("a log is copied for a colleague", run("cp", "/var/log/auth.log", "/root/auth.log")),
        at_once("a line is appended", run("sh", "-c", "echo started >> /var/log/syslog")),
        at_once("a log grows", Change(path="/var/log/wtmp", actor=alice(), before=_EMPTY, after=_WTMP)),
        at_once("an application's own log", run("truncate", "-s", "0", "/var/log/shop/debug.log")),
        at_once("a robot's account", run("rm", "/var/log/syslog"), organisation=SERVICE),
        at_once("dpkg purges a package", run("rm", "/var/log/syslog", ancestry=(BASH, DPKG))),
    ),
)

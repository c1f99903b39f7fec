"""A person stopped, removed or blinded the agent, or cut it off, by a command that says so."""

from __future__ import annotations

from collections.abc import Callable

from evidence.kinds.process import Ancestor, Exec

from ..by_person import SCRIPTED, SHELLS, applet, by_person, command, is_below, is_change, session_of
from ..examples import BASH, DPKG, SERVICE, WINDOW, at_once, by_cron, run
from ..measures.session_work import describe
from ..one_event import finding
from ..record import Record
from ..rule import Detection, Finding, Parameter, Site

_COLLECTOR = Parameter(
    "collector",
    "vedette 7443 7444",
    "names, addresses or ports",
    "a firewall's rule that drops one of these cuts the agent off",
)
_NAME = "vedette"
_SYSTEMCTL = frozenset({"stop", "disable", "mask", "kill", "freeze", "revert"})
_OWN = frozenset({"unenroll", "reset-identity", "unpin"})
_REMOVE = frozenset(
    {"remove", "purge", "autoremove", "erase", "-r", "-P", "-e", "--remove", "--purge", "--erase"}
)
_DROP = frozenset({"drop", "reject", "blackhole", "unreachable", "prohibit", "deny"})
_FIREWALLS = frozenset(
    {"iptables", "ip6tables", "iptables-nft", "iptables-legacy", "xtables-nft-multi", "xtables-legacy-multi"}
    | {"nft", "ip", "route", "ufw", "firewall-cmd", "tc"}
)
_DELETING = ("-D", "--delete", "-L", "-S", "list", "show")
_Argv = tuple[str, ...]


def _named(argv: _Argv, _words: frozenset[str]) -> bool:
    return any(_NAME in one for one in argv[1:])


def _verb(verbs: frozenset[str]) -> Callable[[_Argv, frozenset[str]], bool]:
    return lambda argv, words: not verbs.isdisjoint(argv[1:4]) and _named(argv, words)


def _in_its_folders(argv: _Argv, _words: frozenset[str]) -> bool:
    return any(f"/{_NAME}" in one for one in argv[1:])


def _is_cut(argv: _Argv, words: frozenset[str]) -> bool:
    """Return whether a firewall's rule drops what goes to the collector's names, addresses or ports."""
    parts = [part.lower() for one in argv[1:] for part in one.replace(",", " ").split()]
    if not _DROP & set(parts) or any(one in argv for one in _DELETING):
        return False
    return any(part in words or part.partition("/")[0] in words for part in parts) or _named(argv, words)


def _in_shell(argv: _Argv, _words: frozenset[str]) -> bool:
    """Return whether a shell's own kill is used on what it finds by the agent's name."""
    text = " ".join(argv[1:])
    return (
        "kill" in text
        and _NAME in text
        and any(by in text for by in ("pgrep", "pidof", "pidfile", "MainPID"))
    )


_VERBS: dict[str, Callable[[_Argv, frozenset[str]], bool]] = {
    "systemctl": _verb(_SYSTEMCTL),
    "service": _verb(_SYSTEMCTL),
    **dict.fromkeys(("pkill", "killall", "skill"), _named),
    **dict.fromkeys(("rm", "mv", "shred", "chmod", "chattr", "umount", "unlink"), _in_its_folders),
    "vedette-agent": lambda argv, _words: not _OWN.isdisjoint(argv[1:]),
    **dict.fromkeys(("apt", "apt-get", "dpkg", "dnf", "yum", "rpm", "zypper"), _verb(_REMOVE)),
    **dict.fromkeys(_FIREWALLS, _is_cut),
    **dict.fromkeys(SHELLS, _in_shell),
}
_PROGRAMS = frozenset({*_VERBS, "busybox", "pgrep"})
"""What the kernel names as executed; pkill is a link to pgrep."""


def _find(record: Record, site: Site) -> Finding | None:
    body = record.event.body
    if not isinstance(body, Exec) or not body.argv:
        return None
    name = applet(body)
    verb = _VERBS.get(name)
    if verb is None or not verb(body.argv, site.words(_ID, _COLLECTOR)):
        return None
    person = by_person(record, site)
    if person is None or is_below(body, SCRIPTED):
        return None
    how = "cut the agent off from its collector" if name in _FIREWALLS else "acted against the agent"
    return finding(
        record,
        f"{session_of(record)}|{name}",
        f"{describe(person)} {how} on {record.host} with: {command(body)}",
        # Announced work may need it, and may hide who uses the hour: it adds risk, and alerts nobody.
        severity="low" if is_change(record, site) else None,
    )


_ID = "agent-tampering"
_DROPPED = ("iptables", "-A", "OUTPUT", "-p", "tcp", "--dport", "7443", "-j", "DROP")

DETECTION = Detection(
    id=_ID,
    version=1,
    title="Agent stopped, removed or cut off by a person",
    severity="high",
    attack=("T1562.001", "T1562.004"),
    kinds=(Exec,),
    find=_find,
    programs=lambda _site: _PROGRAMS,
    parameters=(_COLLECTOR,),
    hits=(
        at_once("systemctl stop", run("systemctl", "stop", "vedette-agent")),
        at_once(
            "disabled and stopped at once", run("systemctl", "disable", "--now", "vedette-agent.service")
        ),
        at_once("masked", run("systemctl", "--quiet", "mask", "vedette-agent")),
        at_once("the old way", run("service", "vedette-agent", "stop")),
        at_once("killed by its name", run("pkill", "-9", "-f", "vedette-agent")),
        at_once("pkill, as the kernel sees it", run("pkill", "-x", "vedette-agent", exe="/usr/bin/pgrep")),
        at_once("a shell's own kill", run("bash", "-c", "kill -9 $(pgrep -f vedette-agent)")),
        at_once("its identity is deleted", run("rm", "-rf", "/var/lib/vedette/identity")),
        at_once("its rings are unpinned", run("rm", "-r", "/sys/fs/bpf/vedette")),
        at_once("it is removed", run("apt-get", "-y", "purge", "vedette-agent")),
        at_once("it is unenrolled", run("vedette-agent", "unenroll")),
        at_once(
            "by a hook that apt was given",
            run(
                "systemctl",
                "stop",
                "vedette-agent",
                ancestry=(Ancestor(pid=42, exe="/usr/bin/apt-get"), BASH),
            ),
        ),
        at_once(
            "within a change window: low", run("systemctl", "stop", "vedette-agent"), organisation=WINDOW
        ),
        at_once("its port is dropped", run(*_DROPPED)),
        at_once("the same with nft", run("nft", "add rule inet filter output tcp dport 7443 drop")),
    ),
    misses=(
        at_once("a restart after new settings", run("systemctl", "restart", "vedette-agent")),
        at_once("its pid is asked for", run("pgrep", "-x", "vedette-agent")),
        at_once("its status is asked", run("systemctl", "status", "vedette-agent")),
        at_once("another service is stopped", run("systemctl", "stop", "nginx")),
        at_once(
            "an upgrade of its package",
            run("systemctl", "stop", "vedette-agent", ancestry=(BASH, DPKG)),
        ),
        at_once("the package is upgraded by hand", run("apt-get", "install", "vedette-agent")),
        at_once("a planned reboot", run("systemctl", "reboot")),
        at_once("a robot's account", run("systemctl", "stop", "vedette-agent"), organisation=SERVICE),
        at_once("root's timer", *by_cron("systemctl", "stop", "vedette-agent")),
        at_once("another port is dropped", run("iptables", "-A", "INPUT", "--dport", "23", "-j", "DROP")),
        at_once("the rule that drops is taken away", run("iptables", "-D", *_DROPPED[2:])),
        at_once("its port is let through", run("ufw", "allow", "out", "7443/tcp")),
        at_once("its log is read", run("journalctl", "-u", "vedette-agent")),
    ),
)

"""Words of the audit system: keys of its usual rules, system calls of our acts, types of records. Pure."""

from __future__ import annotations

import functools
import re
from typing import Literal

from evidence.kind import Actor, Body, Endpoint
from evidence.kinds.act import Credentials, Enter, Module, Mount, Program, Ptrace, Ring, UnixSocket
from evidence.kinds.connection import Open

_SUSPICIOUS = (
    *("wget", "curl", "base64", "nc", "netcat", "nc.openbsd", "nc.traditional", "ncat", "ss", "netstat"),
    *("ssh", "scp", "sftp", "ftp", "socat", "wireshark", "tshark", "rawshark", "rdesktop", "nmap"),
)
_RECON = ("whoami", "id", "hostname", "uname", "issue")
_SHELLS = ("sbin", "dash", "ash", "csh", "fish", "ksh", "tcsh", "zsh")
EUIDS = {"detect_execve_www": 33}
"""Keys of rules that are about an effective user: the web server's on Debian."""
_BY_PROGRAM = {
    **dict.fromkeys(_RECON, "recon"),
    **dict.fromkeys(_SUSPICIOUS, "susp_activity"),
    **dict.fromkeys(_SHELLS, "susp_shell"),
    **dict.fromkeys(("insmod", "modprobe", "rmmod", "kmod"), "modules"),
}
"""Keys that the widely used rule set of github.com/Neo23x0/auditd gives to the execution of programs."""
EXEC_KEYS = frozenset({*_BY_PROGRAM.values(), *EUIDS})


@functools.lru_cache(4096)
def exec_key(exe: str | None, euid: int | None) -> str | None:
    """Return the key that the usual audit rules give to an execution."""
    if euid is not None and euid in EUIDS.values():
        return next(key for key, one in EUIDS.items() if one == euid)
    return None if exe is None else _BY_PROGRAM.get(exe.rpartition("/")[2])


def program_of(key: str) -> str | None:
    """Return a program that the usual rules give this key."""
    return next((name for name, one in _BY_PROGRAM.items() if one == key), None)


USUAL_CALLS: dict[type[Body], str] = {
    Module: "finit_module",
    Program: "bpf",
    Mount: "mount",
    Ptrace: "ptrace",
    Ring: "io_uring_setup",
    UnixSocket: "connect",
}
"""What a kind's act is done by, where the sensor's rung does not tell the call."""
_KIND_OF = {
    **dict.fromkeys(("init_module", "finit_module", "delete_module"), Module),
    **dict.fromkeys(("mount", "umount2", "move_mount", "pivot_root"), Mount),
    **dict.fromkeys(("ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd"), Ptrace),
    **dict.fromkeys(("unshare", "setns", "clone", "clone3"), Enter),
    **dict.fromkeys(("setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid"), Credentials),
    "capset": Credentials,
    "bpf": Program,
    "io_uring_setup": Ring,
}
ACT_CALLS = (*_KIND_OF, "connect")
"""System calls that our acts tell, as `evidence.kinds.act` names them."""


def made_call(argv: tuple[str, ...]) -> tuple[str, str] | None:
    """Return the system call, and its first argument, that a command is there to make; None for others."""
    if not argv:
        return None
    name, rest = argv[0].rpartition("/")[2], set(argv[1:])
    if name == "dmesg":
        for number, options in _DMESG.items():
            if not options.isdisjoint(rest):
                return "syslog", number
    if name in _PERSONALITIES and not {"-R", "--addr-no-randomize"}.isdisjoint(rest):
        return "personality", "40000"
    return ("mknod", "0") if name == "mknod" else None


_DMESG = {
    "4": frozenset({"-c", "--read-clear"}),
    "5": frozenset({"-C", "--clear"}),
    "6": frozenset({"-D", "--console-off"}),
}
_PERSONALITIES = frozenset({"setarch", "linux32", "linux64", "i386", "x86_64", "uname26"})
_MAKING = {
    ("syslog", "4"): ("dmesg", "-c"),
    ("syslog", "5"): ("dmesg", "-C"),
    ("syslog", "6"): ("dmesg", "-D"),
    ("personality", "40000"): ("setarch", "-R", "sh"),
    ("mknod", "0"): ("mknod", "/dev/x", "c", "1", "3"),
}
MADE_CALLS = tuple(dict.fromkeys(call for call, _first in _MAKING))


def making(call: str | None, first: str | None) -> tuple[str, ...]:
    """Return a command that makes a system call, with that first argument if given."""
    fitting = (argv for (name, number), argv in _MAKING.items() if name == call and first in (None, number))
    return next(fitting, ("true",))


def act_of(call: str, who: Actor) -> Body:  # noqa: PLR0911 - one for each kind
    """Return an act that is done by a system call."""
    kind = _KIND_OF.get(call, UnixSocket)
    if kind is Module:
        return Module(actor=who, call=call, action="unload" if call == "delete_module" else "load")
    if kind is Mount:
        return Mount(actor=who, call=call, action="mount")
    if kind is Ptrace:
        return Ptrace(actor=who, call=call, request="attach")
    if kind is Enter:
        return Enter(actor=who, call=call, namespaces=("mnt",))
    if kind is Program:
        return Program(actor=who, call=call, type="kprobe")
    if kind is UnixSocket:
        return UnixSocket(actor=who, call=call, path="/run/docker.sock")
    return Credentials(actor=who, call=call) if kind is Credentials else Ring(actor=who, call=call)


def connect(exe: str | None, *, is_six: bool) -> Open:
    """Return a connection that a program opened."""
    here, there = ("2001:db8::5", "2001:db8::7") if is_six else ("10.0.0.5", "203.0.113.7")
    return Open(
        flow=7,
        protocol="tcp",
        direction="out",
        local=Endpoint(ip=here, port=40_000),
        remote=Endpoint(ip=there, port=443),
        actor=Actor(pid=4242, exe=exe),
    )


_Change = Literal["appeared", "changed", "gone"]
ACCOUNTS: tuple[tuple[str, str, _Change], ...] = (
    ("ADD_USER", "passwd", "appeared"),
    ("DEL_USER", "passwd", "gone"),
    ("ADD_GROUP", "group", "appeared"),
    ("DEL_GROUP", "group", "gone"),
    ("USER_CHAUTHTOK", "shadow", "changed"),
)
"""Types of records about accounts, with the source and change of `state.changed` that tells the same."""
STOPPED = re.compile(r"([\w@.:-]+)\.service: (?:Deactivated|Succeeded)|Stopped ([\w@.:-]+)\.service\b")
"""What systemd says of a service that ended."""

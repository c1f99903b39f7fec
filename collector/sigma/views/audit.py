"""auditd: what the Linux audit system would have told of our events, one view for each type of record. Pure.

We do not read its log: type, a0…aN, exe, comm, name, SYSCALL, key and their kin are made of what our own
sensors saw, so that rules written for auditd work on hosts where it does not run.
"""

from __future__ import annotations

import re
from typing import Any

from evidence.kind import Actor, Body
from evidence.kinds.act import Credentials, Enter, Module, Mount, Program, Ptrace, Ring, UnixSocket
from evidence.kinds.connection import Close, Open
from evidence.kinds.file import Attributes, Change, Create, Delete, FileState, Read, Rename
from evidence.kinds.log import Message
from evidence.kinds.login import Accepted, Failed, Sudo
from evidence.kinds.process import Exec
from evidence.kinds.state import Changed

from .. import audit_words as words
from ..document import Logsource
from ..view import Field, Values, View
from .file import program
from .process import digits, joined

_AUDITD = (Logsource("linux", None, "auditd"),)
_ARGUMENT = re.compile(r"a(\d{1,3})")
_UNSET = "4294967295"


def _base(path: str | None) -> str | None:
    """Return the name that a process has in the kernel: 15 characters of its program's."""
    return None if path is None else path.rpartition("/")[2][:15]


def _comm(body: Exec) -> str | None:
    """Return the name that was executed, which a link may have given."""
    return _base(body.argv[0].lstrip("-")) if body.argv else _base(body.exe)


def _identity(number: int | None) -> str:
    return _UNSET if number is None else str(number)


def _argument(name: str) -> Field | None:
    found = _ARGUMENT.fullmatch(name)
    if found is None:
        return None
    at = int(found[1])
    return Field("argv", lambda argv: argv[at] if at < len(argv) else None)


def _arguments(values: Values) -> tuple[str, ...]:
    """Return argv as a0…aN give it; what is not said in between is a dash."""
    said = {int(found[1]): text for name, text in values.items() if (found := _ARGUMENT.fullmatch(name))}
    text = values.get("proctitle") or values.get("cmdline") or values.get("text")
    words_said = tuple(text.split(" ")) if text else ()
    return (*(said.get(at, "-") for at in range(max(said, default=-1) + 1)), *words_said)


def _exec(values: Values) -> Exec:
    argv, comm = _arguments(values), values.get("comm")
    key = words.program_of(values["key"]) if "key" in values else None
    exe = values.get("exe") or values.get("name") or (f"/usr/bin/{key}" if key else None)
    euid = digits(values, "euid")
    return Exec(
        pid=digits(values, "pid") or 4242,
        ppid=digits(values, "ppid") or 4200,
        exe=exe,
        argv=argv or ((comm,) if comm is not None else ()),
        cwd=values.get("cwd"),
        uid=digits(values, "uid"),
        euid=words.EUIDS.get(values.get("key", "")) if euid is None else euid,
        gid=digits(values, "gid"),
        auid=digits(values, "auid"),
        session=digits(values, "ses"),
        tty=values.get("tty"),
        user=values.get("user"),
    )


def _view(name: str, kinds: tuple[type[Body], ...], fields: dict[str, Field], body: Any, **more: Any) -> View:
    """Return a view that is named after its records' type, or after that and what else tells it apart."""
    more.setdefault("text", next(iter(fields.values())))
    constant = {"type": name.partition(" ")[0], **more.pop("constant", {})}
    return View(
        f"auditd {name}", more.pop("sensor"), kinds, _AUDITD, fields, body=body, fixed=constant, **more
    )


def _making(values: Values) -> Exec:
    call = values.get("SYSCALL") or values.get("syscall")
    argv = words.making(call, values.get("a0"))
    return Exec(
        pid=4242,
        exe=values.get("exe") or f"/usr/bin/{argv[0]}",
        argv=argv,
        uid=digits(values, "uid"),
        euid=digits(values, "euid"),
        auid=digits(values, "auid"),
    )


def _calls(of: Any, *choices: str) -> dict[str, Field]:
    call = Field(of, choices=frozenset(choices))
    return {"SYSCALL": call, "syscall": call}


_BY_EXEC = {
    "exe": Field("exe", column="exe"),
    "comm": Field(_comm),
    "cwd": Field("cwd"),
    "cmdline": Field("argv", joined, column="cmd_line"),
    "proctitle": Field("argv", joined, column="cmd_line"),
    "uid": Field("uid"),
    "euid": Field("euid"),
    "gid": Field("gid"),
    "auid": Field("auid", _identity),
    "ses": Field("session", _identity),
    "tty": Field("tty"),
    "pid": Field("pid"),
    "ppid": Field("ppid"),
    "user": Field("user"),
    "key": Field(lambda body: words.exec_key(body.exe, body.euid), choices=words.EXEC_KEYS),
}
_EXECS = (
    _view(
        "EXECVE",
        (Exec,),
        {"argc": Field("argv", lambda argv: str(len(argv)))},
        _exec,
        text=Field("argv", joined, column="cmd_line"),
        family=_argument,
        sensor="process",
    ),
    _view(
        "SYSCALL of an exec",
        (Exec,),
        _BY_EXEC,
        _exec,
        text=Field("exe"),
        constant={"SYSCALL": "execve", "syscall": "execve", "success": "yes"},
        sensor="process",
    ),
    _view(
        "SYSCALL of a command",
        (Exec,),
        _BY_EXEC
        | {
            "a0": Field("argv", lambda argv: (words.made_call(argv) or ("", None))[1]),
            **_calls(lambda body: (words.made_call(body.argv) or (None, ""))[0], *words.MADE_CALLS),
        },
        _making,
        text=Field("exe"),
        constant={"success": "yes"},
        has=lambda body: words.made_call(body.argv) is not None,
        only_for=frozenset({"SYSCALL", "syscall"}),
        sensor="process",
    ),
    _view(
        "PATH of an exec",
        (Exec,),
        {"name": Field("exe", column="exe")},
        _exec,
        constant={"nametype": "NORMAL"},
        sensor="process",
    ),
    _view(
        "PROCTITLE", (Exec,), {"proctitle": Field("argv", joined, column="cmd_line")}, _exec, sensor="process"
    ),
)

_CHANGES: tuple[type[Body], ...] = (Create, Change, Rename, Delete, Attributes, Read)
_NAMETYPES: dict[type[Body], str] = {Create: "CREATE", Rename: "CREATE", Delete: "DELETE"}
_CALLS: dict[type[Body], str] = {
    Delete: "unlinkat",
    Rename: "renameat2",
    Attributes: "fchmodat",
}


def _nametype(body: Any) -> str:
    return _NAMETYPES.get(type(body), "NORMAL")


def _call_of(body: Any) -> str:
    """Return the system call that a change of a file needs; of its kin the one that libraries use."""
    if isinstance(body, Create) and body.after is not None and body.after.type == "other":
        return "mknod"
    return _CALLS.get(type(body), "openat")


def _path(values: Values) -> Body:
    path, call = values.get("name") or values.get("text", ""), values.get("SYSCALL", values.get("syscall"))
    actor = Actor(pid=4242, exe=values.get("exe"), uid=digits(values, "uid"), auid=digits(values, "auid"))
    if call == "mknod":
        return Create(path=path or "/etc/x", actor=actor, after=FileState(type="other"))
    if call == "renameat2":
        return Rename(path=path, former="/etc/former", actor=actor)
    if call == "fchmodat":
        return Attributes(path=path, actor=actor)
    if call == "unlinkat" or values.get("nametype") == "DELETE":
        return Delete(path=path, actor=actor)
    return (
        Create(path=path, actor=actor)
        if values.get("nametype") == "CREATE"
        else Change(path=path, actor=actor)
    )


def _actor(name: str) -> Any:
    return lambda body: getattr(body.actor, name) if body.actor is not None else None


_BY_ACTOR = {
    "exe": Field(program),
    "comm": Field(program, _base),
    "uid": Field(_actor("uid")),
    "auid": Field(_actor("auid"), _identity),
    "ses": Field(_actor("session"), _identity),
    "pid": Field(_actor("pid")),
}


_FILES = (
    _view(
        "PATH",
        _CHANGES,
        {
            "name": Field("path", column="path"),
            "nametype": Field(_nametype, choices=frozenset({"CREATE", "DELETE", "NORMAL"})),
        },
        _path,
        sensor="file",
    ),
    _view(
        "SYSCALL of a file",
        _CHANGES,
        {
            "name": Field("path", column="path"),
            **_BY_ACTOR,
            **_calls(_call_of, "mknod", "openat", "unlinkat", "renameat2", "fchmodat"),
        },
        _path,
        constant={"success": "yes"},
        sensor="file",
    ),
)


def _act_call(body: Any) -> str | None:
    found = body.call or words.USUAL_CALLS.get(type(body))
    return None if found is None else str(found)


def _act(values: Values) -> Body:
    call = values.get("SYSCALL") or values.get("syscall") or "finit_module"
    who = Actor(pid=4242, exe=values.get("exe"), uid=digits(values, "uid"), auid=digits(values, "auid"))
    return words.act_of(call, who)


_ACTS = (
    _view(
        "SYSCALL of an act",
        (Module, Program, Mount, Enter, Ptrace, Credentials, Ring, UnixSocket),
        {**_BY_ACTOR, **_calls(_act_call, *words.ACT_CALLS)},
        _act,
        constant={"success": "yes"},
        sensor="acts",
    ),
    _view(
        "KERN_MODULE",
        (Module,),
        {"name": Field("name")},
        lambda values: Module(action="load", name=values.get("name")),
        sensor="module",
    ),
)


def _connect(values: Values) -> Body:
    is_six = values.get("key") == "network_connect_6"
    return words.connect(values.get("exe"), is_six=is_six)


_CONNECTIONS = (
    _view(
        "SYSCALL of a connection",
        (Open, Close),
        {
            **_BY_ACTOR,
            "key": Field(
                lambda body: "network_connect_6" if ":" in body.remote.ip else "network_connect_4",
                choices=frozenset({"network_connect_4", "network_connect_6"}),
            ),
        },
        _connect,
        constant={"SYSCALL": "connect", "syscall": "connect", "success": "yes"},
        has=lambda body: body.direction == "out",
        sensor="connection",
    ),
)

_RESULT = Field(
    lambda body: "success" if getattr(body, "allowed", not isinstance(body, Failed)) else "failed"
)


def _unit(text: str) -> str | None:
    found = words.STOPPED.match(text)
    return None if found is None else found[1] or found[2]


_USERS = (
    _view(
        "USER_CMD",
        (Sudo,),
        {"cmd": Field("command"), "cwd": Field("cwd"), "acct": Field("user"), "terminal": Field("terminal")}
        | {"auid": Field("auid", _identity), "ses": Field("session", _identity), "res": _RESULT},
        lambda values: Sudo(program="sudo", user=values.get("acct", "x"), command=values.get("cmd")),
        sensor="login",
    ),
    _view(
        "USER_LOGIN",
        (Accepted, Failed),
        {"acct": Field("user"), "res": _RESULT, "auid": Field("auid", _identity)}
        | {"addr": Field(lambda body: body.source.ip if body.source is not None else None)},
        lambda values: (Failed if values.get("res") == "failed" else Accepted)(
            program="sshd", user=values.get("acct", "x")
        ),
        sensor="login",
    ),
    *(
        _view(
            kind,
            (Changed,),
            {"id": Field("subject"), "acct": Field("subject")},
            lambda values, source=source, change=change: Changed(
                source=source, subject=values.get("acct") or values.get("id") or "x", change=change
            ),
            has=lambda body, source=source, change=change: body.source == source and body.change == change,
            sensor="host_state",
        )
        for kind, source, change in words.ACCOUNTS
    ),
    _view(
        "SERVICE_STOP",
        (Message,),
        {"unit": Field("text", _unit)},
        lambda values: Message(
            path="/var/log/syslog", program="systemd", text=f"{values.get('unit', 'x')}.service: Deactivated"
        ),
        has=lambda body: body.program == "systemd" and words.STOPPED.match(body.text) is not None,
        sensor="logs",
    ),
)

VIEWS = (*_EXECS, *_FILES, *_ACTS, *_CONNECTIONS, *_USERS)

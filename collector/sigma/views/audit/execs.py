"""What auditd would have told of executions: EXECVE, SYSCALL, PATH and PROCTITLE. Pure."""

from __future__ import annotations

import re

from evidence.kinds.process import Exec

from ... import audit_words as words
from ...view import Field, Values
from ..process import digits, joined
from .record import audit_view, base, calls, identity

_ARGUMENT = re.compile(r"a(\d{1,3})")


def _comm(body: Exec) -> str | None:
    """Return the name that was executed, which a link may have given."""
    return base(body.argv[0].lstrip("-")) if body.argv else base(body.exe)


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


_BY_EXEC = {
    "exe": Field("exe", column="exe"),
    "comm": Field(_comm),
    "cwd": Field("cwd"),
    "cmdline": Field("argv", joined, column="cmd_line"),
    "proctitle": Field("argv", joined, column="cmd_line"),
    "uid": Field("uid"),
    "euid": Field("euid"),
    "gid": Field("gid"),
    "auid": Field("auid", identity),
    "ses": Field("session", identity),
    "tty": Field("tty"),
    "pid": Field("pid"),
    "ppid": Field("ppid"),
    "user": Field("user"),
    "key": Field(lambda body: words.exec_key(body.exe, body.euid), choices=words.EXEC_KEYS),
}
EXECS = (
    audit_view(
        "EXECVE",
        (Exec,),
        {"argc": Field("argv", lambda argv: str(len(argv)))},
        _exec,
        text=Field("argv", joined, column="cmd_line"),
        family=_argument,
        sensor="process",
    ),
    audit_view(
        "SYSCALL of an exec",
        (Exec,),
        _BY_EXEC,
        _exec,
        text=Field("exe"),
        constant={"SYSCALL": "execve", "syscall": "execve", "success": "yes"},
        sensor="process",
    ),
    audit_view(
        "SYSCALL of a command",
        (Exec,),
        _BY_EXEC
        | {
            "a0": Field("argv", lambda argv: (words.made_call(argv) or ("", None))[1]),
            **calls(lambda body: (words.made_call(body.argv) or (None, ""))[0], *words.MADE_CALLS),
        },
        _making,
        text=Field("exe"),
        constant={"success": "yes"},
        has=lambda body: words.made_call(body.argv) is not None,
        only_for=frozenset({"SYSCALL", "syscall"}),
        sensor="process",
    ),
    audit_view(
        "PATH of an exec",
        (Exec,),
        {"name": Field("exe", column="exe")},
        _exec,
        constant={"nametype": "NORMAL"},
        sensor="process",
    ),
    audit_view(
        "PROCTITLE", (Exec,), {"proctitle": Field("argv", joined, column="cmd_line")}, _exec, sensor="process"
    ),
)

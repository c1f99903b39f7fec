"""process_creation: an exec, in the words of Sysmon. Pure."""

from __future__ import annotations

from evidence.kinds.process import Ancestor, Exec

from ..document import Logsource
from ..view import Field, Values, View


def parent(body: Exec) -> str | None:
    """Return the program of the parent."""
    return body.ancestry[0].exe if body.ancestry else None


def joined(argv: tuple[str, ...]) -> str | None:
    """Return a command line; None where no argument is known."""
    return " ".join(argv) if argv else None


def digits(values: Values, name: str) -> int | None:
    """Return a field as a whole number; None where it is none."""
    text = values.get(name, "")
    return int(text) if text.isdecimal() else None


def _hashes(sha256: str | None) -> str | None:
    return None if sha256 is None else f"SHA256={sha256}"


def _session(session: int | None) -> str:
    return "0" if session is None else str(session)


def _body(values: Values) -> Exec:
    above, line = values.get("ParentImage"), values.get("CommandLine") or values.get("text")
    hashed = values.get("sha256") or values.get("Hashes", "").removeprefix("SHA256=") or None
    logon = digits(values, "LogonId")
    return Exec(
        pid=digits(values, "ProcessId") or 4242,
        ppid=digits(values, "ParentProcessId") or 4200,
        exe=values.get("Image"),
        argv=() if line is None else tuple(line.split(" ")),
        parent_cmd_line=values.get("ParentCommandLine"),
        cwd=values.get("CurrentDirectory"),
        user=values.get("User"),
        sha256=hashed,
        session=logon or digits(values, "TerminalSessionId"),
        ancestry=() if above is None else (Ancestor(pid=4200, exe=above),),
    )


VIEWS = (
    View(
        name="process_creation",
        sensor="process",
        kinds=(Exec,),
        serves=(Logsource("linux", "process_creation"),),
        fields={
            "Image": Field("exe", column="exe"),
            "CommandLine": Field("argv", joined, column="cmd_line"),
            "ParentImage": Field(parent),
            "ParentCommandLine": Field("parent_cmd_line"),
            "CurrentDirectory": Field("cwd", column="cwd"),
            "User": Field("user", column="user_name"),
            "LogonId": Field("session", _session),
            "TerminalSessionId": Field("session"),
            "ProcessId": Field("pid"),
            "ParentProcessId": Field("ppid"),
            "sha256": Field("sha256", column="sha256"),
            "Hashes": Field("sha256", _hashes),
        },
        text=Field("argv", joined, column="cmd_line"),
        body=_body,
    ),
)

"""What auditd would have told of changes of watched files: PATH, and the system call. Pure."""

from __future__ import annotations

from typing import Any

from evidence.kind import Actor, Body
from evidence.kinds.file import Attributes, Change, Create, Delete, FileState, Read, Rename

from ...view import Field, Values
from ..process import digits
from .record import BY_ACTOR, audit_view, calls

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


FILES = (
    audit_view(
        "PATH",
        _CHANGES,
        {
            "name": Field("path", column="path"),
            "nametype": Field(_nametype, choices=frozenset({"CREATE", "DELETE", "NORMAL"})),
        },
        _path,
        sensor="file",
    ),
    audit_view(
        "SYSCALL of a file",
        _CHANGES,
        {
            "name": Field("path", column="path"),
            **BY_ACTOR,
            **calls(_call_of, "mknod", "openat", "unlinkat", "renameat2", "fchmodat"),
        },
        _path,
        constant={"success": "yes"},
        sensor="file",
    ),
)

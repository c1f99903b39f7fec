"""What all views of the audit system's records share: their type, who acted, and the system call. Pure."""

from __future__ import annotations

from typing import Any

from evidence.kind import Body

from ...document import Logsource
from ...view import Field, View
from ..file import program

_AUDITD = (Logsource("linux", None, "auditd"),)
_UNSET = "4294967295"


def base(path: str | None) -> str | None:
    """Return the name that a process has in the kernel: 15 characters of its program's."""
    return None if path is None else path.rpartition("/")[2][:15]


def identity(number: int | None) -> str:
    """Return the number of a user or session; the audit system writes what is unknown as 2**32 - 1."""
    return _UNSET if number is None else str(number)


def audit_view(
    name: str, kinds: tuple[type[Body], ...], fields: dict[str, Field], body: Any, **more: Any
) -> View:
    """Return a view that is named after its records' type, or after that and what else tells it apart."""
    more.setdefault("text", next(iter(fields.values())))
    constant = {"type": name.partition(" ")[0], **more.pop("constant", {})}
    return View(
        f"auditd {name}", more.pop("sensor"), kinds, _AUDITD, fields, body=body, fixed=constant, **more
    )


def calls(of: Any, *choices: str) -> dict[str, Field]:
    """Return a system call under both names that rules give it; of and choices are as of Field."""
    call = Field(of, choices=frozenset(choices))
    return {"SYSCALL": call, "syscall": call}


def _actor(name: str) -> Any:
    return lambda body: getattr(body.actor, name) if body.actor is not None else None


BY_ACTOR = {
    "exe": Field(program),
    "comm": Field(program, base),
    "uid": Field(_actor("uid")),
    "auid": Field(_actor("auid"), identity),
    "ses": Field(_actor("session"), identity),
    "pid": Field(_actor("pid")),
}

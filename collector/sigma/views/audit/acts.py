"""What auditd would have told of security acts: their system call, and modules of the kernel. Pure."""

from __future__ import annotations

from typing import Any

from evidence.kind import Actor, Body
from evidence.kinds.act import Credentials, Enter, Module, Mount, Program, Ptrace, Ring, UnixSocket

from ... import audit_words as words
from ...view import Field, Values
from ..process import digits
from .record import BY_ACTOR, audit_view, calls


def _act_call(body: Any) -> str | None:
    found = body.call or words.USUAL_CALLS.get(type(body))
    return None if found is None else str(found)


def _act(values: Values) -> Body:
    call = values.get("SYSCALL") or values.get("syscall") or "finit_module"
    who = Actor(pid=4242, exe=values.get("exe"), uid=digits(values, "uid"), auid=digits(values, "auid"))
    return words.act_of(call, who)


ACTS = (
    audit_view(
        "SYSCALL of an act",
        (Module, Program, Mount, Enter, Ptrace, Credentials, Ring, UnixSocket),
        {**BY_ACTOR, **calls(_act_call, *words.ACT_CALLS)},
        _act,
        constant={"success": "yes"},
        sensor="acts",
    ),
    audit_view(
        "KERN_MODULE",
        (Module,),
        {"name": Field("name")},
        lambda values: Module(action="load", name=values.get("name")),
        sensor="module",
    ),
)

"""What programs tell the audit system themselves: commands, logins, accounts, services. Pure."""

from __future__ import annotations

from evidence.kinds.log import Message
from evidence.kinds.login import Accepted, Failed, Sudo
from evidence.kinds.state import Changed

from ... import audit_words as words
from ...view import Field
from .record import audit_view, identity

_RESULT = Field(
    lambda body: "success" if getattr(body, "allowed", not isinstance(body, Failed)) else "failed"
)


def _unit(text: str) -> str | None:
    found = words.STOPPED.match(text)
    return None if found is None else found[1] or found[2]


USERS = (
    audit_view(
        "USER_CMD",
        (Sudo,),
        {"cmd": Field("command"), "cwd": Field("cwd"), "acct": Field("user"), "terminal": Field("terminal")}
        | {"auid": Field("auid", identity), "ses": Field("session", identity), "res": _RESULT},
        lambda values: Sudo(program="sudo", user=values.get("acct", "x"), command=values.get("cmd")),
        sensor="login",
    ),
    audit_view(
        "USER_LOGIN",
        (Accepted, Failed),
        {"acct": Field("user"), "res": _RESULT, "auid": Field("auid", identity)}
        | {"addr": Field(lambda body: body.source.ip if body.source is not None else None)},
        lambda values: (Failed if values.get("res") == "failed" else Accepted)(
            program="sshd", user=values.get("acct", "x")
        ),
        sensor="login",
    ),
    *(
        audit_view(
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
    audit_view(
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

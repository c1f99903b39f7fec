"""What auditd would have told of connections that a host opened. Pure."""

from __future__ import annotations

from evidence.kind import Body
from evidence.kinds.connection import Close, Open

from ... import audit_words as words
from ...view import Field, Values
from .record import BY_ACTOR, audit_view


def _connect(values: Values) -> Body:
    is_six = values.get("key") == "network_connect_6"
    return words.connect(values.get("exe"), is_six=is_six)


CONNECTIONS = (
    audit_view(
        "SYSCALL of a connection",
        (Open, Close),
        {
            **BY_ACTOR,
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

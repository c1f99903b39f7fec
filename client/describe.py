"""Events, severities and persons in the words an analyst reads fast. Nothing here is terminal-safe yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .text import endpoint, lasting, size

Event = Mapping[str, Any]
_LENGTH = 300
"""Characters of what is only listed, not said."""

STYLES = {
    "login.accepted": "green",
    "login.failed": "red",
    "privilege": "yellow",
    "identity": "bold red",
    "process": "cyan",
    "connection": "magenta",
    "file": "blue",
    "agent.loss": "red",
    "agent": "dim",
    "dns": "dim",
    "collector": "dim",
}
"""rich style of a kind; of its family where the kind itself has none."""

SEVERITY_STYLES = {
    "critical": "bold white on red",
    "high": "bold red",
    "medium": "yellow",
    "low": "cyan",
    "informational": "dim",
}
"""rich style of a severity."""
HOW = {
    "kernel": "the kernel's audit session, set by PAM at the login",
    "hop": "an ssh hop whose two ends were joined",
    "key": "the fingerprint of the ssh key",
    "job": "a job or service that the person's session started",
    "inferred": "inferred only; confirm before you act",
    "uid": "the user id alone; this host has no login identity",
}
"""How a person is known, in words."""


def badge(severity: str) -> tuple[str, str]:
    """Return a severity with its style."""
    return severity, SEVERITY_STYLES.get(severity, "")


def style(kind: str) -> str:
    """Return the style in which an event of this kind is shown."""
    return STYLES.get(kind) or STYLES.get(kind.split(".", maxsplit=1)[0], "")


def who(event: Event) -> str:
    """Return who is behind an event: the person, and the account they acted as where it differs."""
    person = event.get("person") or event.get("login")
    account = event.get("user_name")
    if person is None:
        return str(account or (f"uid {event['uid']}" if "uid" in event else "-"))
    return f"{person} as {account}" if account and account != person else str(person)


def what(event: Event) -> str:
    """Return what happened."""
    kind = str(event.get("kind", ""))
    say = _SAYINGS.get(kind) or _SAYINGS.get(kind.split(".", maxsplit=1)[0], _other)
    return say(event)


def _body(event: Event) -> Mapping[str, Any]:
    body = event.get("body")
    return body if isinstance(body, Mapping) else {}


def _exec(event: Event) -> str:
    return str(event.get("cmd_line") or event.get("exe") or f"pid {event.get('pid')}")


def _dns(event: Event) -> str:
    return f"{event.get('name')} asked by {_program(event)}"


def _program(event: Event) -> str:
    """Return the program that acted, and what its process has become since."""
    exe, became = event.get("exe"), event.get("became")
    if exe:
        since = f" (since {_base_name(became)})" if became else ""
        return _base_name(exe) + since
    return f"pid {event['pid']}" if "pid" in event else "an unknown process"


def _base_name(path: Any) -> str:
    return str(path).rsplit("/", maxsplit=1)[-1]


def _exit(event: Event) -> str:
    body = _body(event)
    end = f"signal {body['signal']}" if "signal" in body else f"code {body.get('code', 'unknown')}"
    return f"{_program(event)} ended with {end} after {lasting(event.get('duration'))}"


def _connection(event: Event) -> str:
    kind = event["kind"]
    if kind == "connection.listen":
        return f"{_program(event)} listens on {endpoint(event.get('dst_ip'), event.get('dst_port'))}"
    source = endpoint(event.get("src_ip"), event.get("src_port"))
    target = endpoint(event.get("dst_ip"), event.get("dst_port"), event.get("name"))
    inbound = event.get("direction") == "in"
    flow = f"{_program(event)} ← {source}" if inbound else f"{_program(event)} → {target}"
    if "bytes_out" not in event and "bytes_in" not in event:
        return flow
    return f"{flow}  {size(event.get('bytes_out'))} out, {size(event.get('bytes_in'))} in"


def _login(event: Event) -> str:
    kind = event["kind"]
    body, user = _body(event), event.get("user_name", "somebody")
    source = event.get("src_ip")
    origin = f" from {source}" if source else ""
    method = f" by {body['method']}" if "method" in body else ""
    if kind == "login.failed":
        count = body.get("count", 1)
        times = f", {count} times" if count != 1 else ""
        unknown = ", no such user" if body.get("known") is False else ""
        return f"{user} refused{origin}{method}{times}{unknown}"
    if kind == "login.accepted":
        return f"{user} logged in{origin}{method}"
    if kind in ("privilege.sudo", "privilege.su"):
        command = event.get("cmd_line") or body.get("command") or "a shell"
        verb = "refused to become" if event.get("outcome") == "failure" else "became"
        return f"{user} {verb} {event.get('target_user') or 'root'}: {command}"
    return f"{user} {'opened' if kind == 'session.open' else 'ended'} a session{origin}"


def _file(event: Event) -> str:
    verb = event["kind"].split(".", maxsplit=1)[-1]
    body = _body(event)
    actor = f" by {_program(event)}" if "exe" in event or "pid" in event else ""
    explained = body.get("explained_by")
    package = f", part of package {explained['package']}" if isinstance(explained, Mapping) else ""
    if verb == "rename":
        return f"{body.get('former')} renamed to {event.get('path')}{actor}{package}"
    said = {"read": "read", "create": "created", "change": "changed", "delete": "deleted"}.get(verb, verb)
    many = f" and {body['files'] - 1} more" if body.get("files", 1) > 1 else ""
    return f"{event.get('path')}{many} {said}{actor}{package}"


def _act(event: Event) -> str:
    body = _body(event)
    said = f"{body.get('user')} {body.get('verb')} {body.get('object', '')}".rstrip()
    detail = body.get("detail")
    pairs = detail.items() if isinstance(detail, Mapping) else ()
    more = " ".join(f"{name}={value!r}" for name, value in pairs)
    refused = f", refused: {body.get('reason', 'not allowed')}" if body.get("allowed") is False else ""
    return f"{said}  {more}{refused}".rstrip()[:_LENGTH]


def _loss(event: Event) -> str:
    body = _body(event)
    count = body.get("count", "an unknown number of")
    return f"{count} events lost by {body.get('sensor')}: {body.get('cause')}"


def _other(event: Event) -> str:
    parts = []
    for name, value in _body(event).items():
        if name != "kind" and isinstance(value, str | int | float) and value not in ("", None):
            parts.append(f"{name}={value}")
    return " ".join(parts)[:_LENGTH] or "-"


_SAYINGS = {
    "process": _exec,
    "process.exit": _exit,
    "connection": _connection,
    "login": _login,
    "session": _login,
    "privilege": _login,
    "file": _file,
    "dns": _dns,
    "collector.act": _act,
    "agent.loss": _loss,
}
"""How an event of a kind, or else of its family, is said."""

"""The contract of an event kind: a frozen body, its name on the wire, and the lane it rides by default."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

Lane = Literal["priority", "bulk"]


class Part(
    msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True, forbid_unknown_fields=True
):
    """A record inside a body. Unknown is None, never 0: an unknown login identity is not root (R45)."""


class Body(
    Part,
    frozen=True,
    gc=False,
    omit_defaults=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="kind",
):
    """What a sensor saw. Subclasses live in `kinds/` and set `tag` to the kind's name.

    `escaped` names the text fields that are in the escaped form of `text.to_text`.
    """

    lane: ClassVar[Lane] = "bulk"

    escaped: tuple[str, ...] = ()


class Actor(Part, frozen=True, kw_only=True):
    """The process that did something, with its login identity.

    A process is keyed by (agent, boot, pid, start); start is nanoseconds since boot.
    auid and session are the kernel's login uid and audit session. container is a container's id,
    container_runtime what runs it, pod the uid of its Kubernetes pod. exe is what it ran when it acted;
    became is what the process ran when that was told, where it had executed another program since.
    """

    pid: int | None = None
    start: int | None = None
    exe: str | None = None
    cmd_line: str | None = None
    uid: int | None = None
    auid: int | None = None
    session: int | None = None
    unit: str | None = None
    container: str | None = None
    container_runtime: str | None = None
    pod: str | None = None
    became: str | None = None


class Endpoint(Part, frozen=True, kw_only=True):
    """One end of a connection; name is the DNS name the address came from, where known.

    named_by is ``tls`` where no answer told the name but the client itself did, by its server name.
    """

    ip: str
    port: int | None = None
    name: str | None = None
    named_by: Literal["tls"] | None = None


def kind_of(body: Body | type[Body]) -> str:
    """Return the kind's name as it stands on the wire, such as ``process.exec``."""
    tag = body.__struct_config__.tag
    if not isinstance(tag, str):
        raise TypeError(f"{body!r} has no kind: give its class tag='family.name'")
    return tag

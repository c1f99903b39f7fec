"""file_event and its kin: a change of a watched file, in the words of Sysmon. Pure."""

from __future__ import annotations

from typing import Any

from evidence.kind import Actor, Body
from evidence.kinds.file import Attributes, Change, Create, Delete, Read, Rename

from ..document import Logsource
from ..view import Field, Values, View


def program(body: Any) -> str | None:
    """Return the program of who acted."""
    return body.actor.exe if body.actor is not None else None


def command(body: Any) -> str | None:
    """Return the command line of who acted."""
    return body.actor.cmd_line if body.actor is not None else None


def actor(values: Values) -> Actor | None:
    """Return who acted, by the fields that tell it."""
    exe, line = values.get("Image"), values.get("CommandLine")
    return None if exe is None and line is None else Actor(pid=4242, exe=exe, cmd_line=line)


def former(body: Any) -> str | None:
    """Return the name that a file had before."""
    name: str | None = body.former if isinstance(body, Rename) else getattr(body, "moved_from", None)
    return name


_FIELDS = {
    "TargetFilename": Field("path", column="path"),
    "Image": Field(program),
    "CommandLine": Field(command),
}


def _create(values: Values) -> Body:
    return Create(
        path=values.get("TargetFilename", ""), actor=actor(values), moved_from=values.get("SourceFilename")
    )


def _rename(values: Values) -> Body:
    return Rename(
        path=values.get("TargetFilename", ""), former=values.get("SourceFilename", ""), actor=actor(values)
    )


def _delete(values: Values) -> Body:
    return Delete(path=values.get("TargetFilename", ""), actor=actor(values))


def _read(values: Values) -> Body:
    path = values.get("TargetFilename") or values.get("FileName", "")
    return Read(path=path, tree=path, actor=actor(values))


def _view(name: str, kinds: tuple[type[Body], ...], body: Any, *further: str) -> View:
    fields = _FIELDS | {one: Field(former if one == "SourceFilename" else "path") for one in further}
    return View(name, "file", kinds, (Logsource("linux", name),), fields, Field("path", column="path"), body)


VIEWS = (
    _view("file_event", (Create, Change, Rename), _create, "SourceFilename"),
    _view("file_rename", (Rename,), _rename, "SourceFilename"),
    _view("file_delete", (Delete,), _delete),
    _view("file_access", (Read,), _read, "FileName"),
    _view("file_change", (Attributes,), lambda values: Attributes(path=values.get("TargetFilename", ""))),
)

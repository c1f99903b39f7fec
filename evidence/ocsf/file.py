"""Files that changed or were read: OCSF's file system activity; of a package: application lifecycle. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..kinds import file
from .parties import actor, base_name, hashes, user
from .shape import APPLICATION, FILE, HIGH, LOW, MS, OTHER, Json, Shape, Shapes, known

_TYPES = {"file": 1, "dir": 2, "link": 7}


def _file(path: str, state: file.FileState | None) -> Json:
    if state is None:
        return {"name": base_name(path), "path": path, "type_id": 0}
    return known(
        name=base_name(path),
        path=path,
        type_id=_TYPES.get(state.type, OTHER),
        size=state.size,
        hashes=hashes(state.sha256),
        owner=user(state.uid),
        modified_time=None if state.mtime is None else state.mtime // MS,
    )


def _changed(activity: int) -> Callable[[Any], Shape]:
    """Return what shapes a kind that has path, actor, and before or after or both."""

    def shape(body: Any) -> Shape:
        before, after = getattr(body, "before", None), getattr(body, "after", None)
        attributes = {"file": _file(body.path, before or after), "actor": actor(body.actor)}
        if before is not None and after is not None:
            attributes["file_result"] = _file(body.path, after)
        return Shape(activity, attributes)

    return shape


def _rename(body: file.Rename) -> Shape:
    now = _file(body.path, body.after)
    return Shape(5, {"file": _file(body.former, None), "file_result": now, "actor": actor(body.actor)})


def _read(body: file.Read) -> Shape:
    said = {"file": _file(body.path, None), "actor": actor(body.actor), "count": max(body.opens, 1)}
    first = None if body.first is None else body.first // MS
    last = None if body.last is None else body.last // MS
    return Shape(2, said | known(start_time=first, end_time=last), HIGH if body.decoy else LOW)


def _package(body: file.Package) -> Shape:
    """Give install, remove or update, and how many files that touched."""
    activity = 1 if body.former_version is None else 2 if body.version is None else 8
    said = {
        "app": known(name=body.package, version=body.version or body.former_version),
        "actor": actor(body.actor),
        "count": max(body.created + body.changed + body.deleted, 1),
    }
    first = None if body.first is None else body.first // MS
    last = None if body.last is None else body.last // MS
    return Shape(activity, said | known(start_time=first, end_time=last))


SHAPES: Shapes = {
    file.Create: (FILE, _changed(1)),
    file.Change: (FILE, _changed(3)),
    file.Attributes: (FILE, _changed(6)),
    file.Rename: (FILE, _rename),
    file.Delete: (FILE, _changed(4)),
    file.Read: (FILE, _read),
    file.Shrunk: (FILE, _changed(3)),
    file.Package: (APPLICATION, _package),
}

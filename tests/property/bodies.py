"""Strategies for events: any body of any kind, built from the fields its class declares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import strategies as st

from evidence.event import Event, stamp
from evidence.kind import Body, Part
from evidence.kinds import BY_NAME

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
NUMBER = st.integers(0, 2**53)
IP = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
BY_FIELD: dict[str, st.SearchStrategy[Any]] = {
    "ip": IP,
    "port": st.integers(0, 65_535),
    "pid": st.integers(1, 2**22),
    "uid": st.integers(0, 2**32 - 2),
    "count": st.integers(1, 10_000),
    "opens": st.integers(1, 10_000),
    "files": st.integers(1, 10_000),
    "rcode": st.integers(0, 30),
    "type": st.sampled_from(["file", "dir", "link", "other", "A", "AAAA"]),
}

SIMPLE: dict[type[msgspec.inspect.Type], Callable[[str], st.SearchStrategy[Any]]] = {
    msgspec.inspect.NoneType: lambda _field: st.none(),
    msgspec.inspect.StrType: lambda field: BY_FIELD.get(field, TEXT),
    msgspec.inspect.IntType: lambda field: BY_FIELD.get(field, NUMBER),
    msgspec.inspect.BoolType: lambda _field: st.booleans(),
    msgspec.inspect.FloatType: lambda _field: st.floats(0, 1e6),
}


def values(field: str, kind: msgspec.inspect.Type) -> st.SearchStrategy[Any]:  # noqa: PLR0911 - one branch a type
    """Return a strategy for one declared type; field gives addresses and ports their ranges."""
    match kind:
        case msgspec.inspect.UnionType(types=types):
            return st.one_of([values(field, inner) for inner in types])
        case msgspec.inspect.StructType(cls=shape) if issubclass(shape, Part):
            return parts(shape)
        case msgspec.inspect.VarTupleType(item_type=item):
            return st.lists(values(field, item), max_size=3).map(tuple)
        case msgspec.inspect.TupleType(item_types=items):
            return st.tuples(*[values(field, inner) for inner in items])
        case msgspec.inspect.DictType(value_type=value):
            return st.dictionaries(TEXT, values(field, value), max_size=3)
        case msgspec.inspect.LiteralType(values=allowed):
            return st.sampled_from(list(allowed))
        case _:
            return SIMPLE[type(kind)](field)


def parts(shape: type[Part]) -> st.SearchStrategy[Any]:
    """Return a strategy for a part or a body."""
    described = msgspec.inspect.type_info(shape)
    assert isinstance(described, msgspec.inspect.StructType)
    given = {item.name: values(item.encode_name, item.type) for item in described.fields}
    return st.builds(shape, **given)


def bodies() -> st.SearchStrategy[Body]:
    """Return a strategy for a body of any kind."""
    return st.one_of([parts(shape) for shape in BY_NAME.values()])


def events() -> st.SearchStrategy[Event[Body]]:
    """Return a strategy for a stamped event."""
    return st.builds(
        lambda body, seq, time, mono: stamp(body, seq=seq, time=time, mono=mono),
        bodies(),
        st.integers(1, 2**53),
        st.integers(0, 2**62),
        st.integers(0, 2**62),
    )

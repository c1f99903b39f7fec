"""What a loaded state holds many times over, as one each: in a state that grew it is so. Pure."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
Known = dict[type, dict[Any, Any]]
"""By type what was met; equals of one type are alike, those of two, as 1 and 1.0, are not."""
_CHARACTERS, _NUMBER = 16, 1 << 32
"""Of shorter texts and smaller numbers little is saved."""
_PLAIN = frozenset({bool, float, bytes, type(None)})


def shared(value: T, known: Known) -> T:
    """Return value, a decoded state, with texts, times and frozen records as those in known that equal them.

    Dicts, lists and records that may change are changed where they are; known grows by what is new.
    """
    return _shared(value, known)  # type: ignore[no-any-return]  # it is what was given


def _shared(value: Any, known: Known) -> Any:
    kind = type(value)
    if kind is str:
        return _one(value, known) if len(value) >= _CHARACTERS else value
    if kind is int:
        return _one(value, known) if value >= _NUMBER else value
    if kind is dict:
        items = [(_shared(key, known), _shared(one, known)) for key, one in value.items()]
        value.clear()
        value.update(items)
    elif kind is list:
        value[:] = [_shared(one, known) for one in value]
    elif kind is tuple:
        return tuple([_shared(one, known) for one in value]) if value else value
    elif isinstance(value, msgspec.Struct):
        return _record(value, known)
    return value


def _record(value: Any, known: Known) -> Any:
    for name in value.__struct_fields__:
        former = getattr(value, name)
        if type(former) not in _PLAIN:
            found = _shared(former, known)
            if found is not former:
                msgspec.structs.force_setattr(value, name, found)
    if not value.__struct_config__.frozen:
        return value
    try:
        return _one(value, known)
    except TypeError:  # it holds what may change
        return value


def _one(value: Any, known: Known) -> Any:
    return known.setdefault(type(value), {}).setdefault(value, value)

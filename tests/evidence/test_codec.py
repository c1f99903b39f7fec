from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evidence import codec
from evidence.codec import Unknown
from evidence.event import Event
from evidence.kind import Body
from evidence.kinds import BY_NAME
from evidence.kinds.process import Exec
from tests.property.bodies import events

RELAXED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@given(st.lists(events(), max_size=4))
@RELAXED
def test_events_survive_a_round_trip(given_events: list[Event[Body]]) -> None:
    decoded = codec.decode(codec.encode(given_events))
    assert decoded.events == given_events
    assert decoded.malformed == []


@given(events(), st.text(st.characters(codec="utf-8"), min_size=1, max_size=8), st.integers())
@RELAXED
def test_fields_of_a_newer_version_survive(event: Event[Body], name: str, value: int) -> None:
    fields = json.loads(codec.encode([event]))
    if name in type(event.body).__struct_encode_fields__ or name == "kind":
        return
    fields["body"][name] = value
    line = json.dumps(fields, separators=(",", ":")).encode()
    (read,) = codec.decode(line).events
    assert isinstance(read, Unknown)
    assert codec.encode([read]) == line + b"\n"
    assert read.known == event


def test_fields_of_a_newer_version_inside_a_part_are_passed_over() -> None:
    line = (
        b'{"seq":1,"time":2,"mono":3,"body":{"kind":"process.exec","pid":4,'
        b'"ancestry":[{"pid":1,"mood":"calm"}]}}'
    )
    (read,) = codec.decode(line).events
    assert isinstance(read, Unknown)
    assert isinstance(read.known, Event)
    assert isinstance(read.known.body, Exec)
    assert read.known.body.ancestry[0].pid == 1


def test_kinds_of_a_newer_version_survive() -> None:
    line = b'{"seq":1,"time":2,"mono":3,"body":{"kind":"quantum.leap","x":[1]}}'
    (read,) = codec.decode(line).events
    assert isinstance(read, Unknown)
    assert (read.kind, read.known, codec.encode([read])) == ("quantum.leap", None, line + b"\n")


@given(st.lists(events(), min_size=1, max_size=3), st.binary(max_size=40))
@RELAXED
def test_a_bad_line_costs_no_other(good: list[Event[Body]], bad: bytes) -> None:
    bad = b"#" + bad.replace(b"\n", b"")
    decoded = codec.decode(codec.encode(good) + bad + b"\n" + codec.encode(good))
    assert decoded.events == good + good
    assert [item.number for item in decoded.malformed] == [len(good) + 1]


@pytest.mark.parametrize(
    "line",
    [
        b"[]",
        b"{}",
        b'{"seq":"1","time":2,"mono":3,"body":{"kind":"agent.stop","reason":"x"}}',
        b'{"seq":1,"time":2,"mono":3,"body":{"reason":"x"}}',
        b'{"seq":1,"time":2,"mono":3,"body":{"kind":"agent.stop"}}',
        b'{"seq":1,"time":2,"mono":3,"body":{"kind":"process.exec","pid":"4"}}',
        b"\xff\xfe",
        b'{"seq":1,"time":2,"mono":3,"body":{"kind":7}}',
    ],
)
def test_malformed_lines_are_named(line: bytes) -> None:
    decoded = codec.decode(line)
    assert decoded.events == []
    assert decoded.malformed[0].number == 1
    assert decoded.malformed[0].reason


def test_a_line_beyond_the_limit_is_malformed() -> None:
    line = b'{"seq":1,"time":2,"mono":3,"body":{"kind":"new.kind","x":"' + b"a" * codec.LINE_LIMIT + b'"}}'
    assert "bytes" in codec.decode(line).malformed[0].reason


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_exception(raw: bytes) -> None:
    codec.decode(raw)


def test_unknown_identity_is_null_never_root() -> None:
    for name, shape in BY_NAME.items():
        for field in ("uid", "auid", "euid", "session"):
            if field in shape.__struct_fields__:
                default = shape.__struct_defaults__[
                    shape.__struct_fields__.index(field)
                    - (len(shape.__struct_fields__) - len(shape.__struct_defaults__))
                ]
                assert default is None, f"{name}.{field}"

"""The DNS and TLS parsers: what is written is read back, and no bytes make them raise but ValueError."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.decode import bpf_dns, dns, tls_hello
from tests.property.dns_wire import (
    AAAA,
    CNAME,
    CUT,
    NS,
    OPT,
    RESPONSE,
    SOA,
    TXT,
    A,
    address,
    answered,
    message,
    name,
    pointer,
    question,
    record,
)

LABELS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=20)
NAMES = st.lists(LABELS, min_size=1, max_size=5).map(".".join)
TTLS = st.integers(0, 2**31 - 1)


@given(st.integers(0, 0xFFFF), NAMES, st.integers(0, 0xFFFF))
def test_a_question_reads_back(number: int, asked: str, kind: int) -> None:
    found = dns.parse(message(number, question(asked, kind)))
    assert (found.id, found.response, found.name, found.answers) == (number, False, asked, ())
    assert found.type == dns.type_text(kind)


@given(NAMES, st.lists(st.ip_addresses(v=4), max_size=6), TTLS)
def test_addresses_read_back(asked: str, addresses: list[ipaddress.IPv4Address], ttl: int) -> None:
    found = dns.parse(answered(7, asked, *map(str, addresses), ttl=ttl))
    assert [one.data for one in found.answers] == list(map(str, addresses))
    assert {(one.name, one.type, one.ttl) for one in found.answers} <= {(asked, "A", ttl)}
    assert found.complete


def test_an_alias_is_followed_by_compressed_names() -> None:
    asked = question("www.example.com", AAAA)
    alias = record(pointer(12), CNAME, b"\x03cdn" + pointer(16))  # example.com stands at byte 16
    target = 12 + len(asked) + len(pointer(12)) + 10
    found = dns.parse(
        message(1, asked, (alias, record(pointer(target), AAAA, address("2001:db8::1"))), flags=RESPONSE)
    )
    assert [(one.name, one.type, one.data) for one in found.answers] == [
        ("www.example.com", "CNAME", "cdn.example.com"),
        ("cdn.example.com", "AAAA", "2001:db8::1"),
    ]


def test_records_of_other_sections_and_types_are_passed_over() -> None:
    found = dns.parse(
        message(
            1,
            question("x.example"),
            (record(pointer(12), TXT, b"\x02hi"), record(pointer(12), A, address("192.0.2.1"), of_class=3)),
            flags=RESPONSE | 3,
            authority=(record(name("example"), SOA, b"\0" * 22), record(name("example"), NS, name("ns"))),
            additional=(record(name("ns"), A, address("192.0.2.53")),),
        )
    )
    assert (found.rcode, found.answers) == (3, ())


def test_an_opt_record_extends_the_result() -> None:
    opt = record(b"\0", OPT, b"", ttl=1 << 24, of_class=1232)
    found = dns.parse(message(1, question("x"), flags=RESPONSE, additional=(opt,)))
    assert found.rcode == 16


def test_a_ttl_with_the_highest_bit_is_zero() -> None:
    (found,) = dns.parse(answered(1, "x", "192.0.2.1", ttl=1 << 31)).answers
    assert found.ttl == 0


@pytest.mark.parametrize(
    ("label", "text"),
    [
        (b"WwW", "www"),
        (b"a.b", "a\\046b"),
        (b"a\\b", "a\\092b"),
        (b"\0\xff", "\\000\\255"),
        (b"a b", "a\\032b"),
    ],
)
def test_a_label_may_hold_any_byte(label: bytes, text: str) -> None:
    asked = bytes([len(label)]) + label + b"\x03com\0" + b"\0\x01\0\x01"
    assert dns.parse(message(1, asked)).name == f"{text}.com"


def test_the_root_has_a_name() -> None:
    assert dns.parse(message(1, b"\0" + b"\0\x02\0\x01")).name == "."


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(pointer(12) + b"\0\x01\0\x01", id="a pointer to itself"),
        pytest.param(b"\x01a" + pointer(12) + b"\0\x01\0\x01", id="a loop through a label"),
        pytest.param(pointer(40) + b"\0" * 40, id="a pointer forward"),
        pytest.param(pointer(0) + b"\0\x01\0\x01", id="a pointer into the header"),
        pytest.param(b"\x40a\0" + b"\0\x01\0\x01", id="a label of a reserved type"),
        pytest.param((b"\x3f" + b"a" * 63) * 4 + b"\0" + b"\0\x01\0\x01", id="a name of 257 bytes"),
        pytest.param(b"\x05abc", id="a label that ends early"),
        pytest.param(b"\x01a\0\0\x01", id="a question that ends early"),
    ],
)
def test_a_broken_name_is_refused(asked: bytes) -> None:
    with pytest.raises(ValueError, match="DNS"):
        dns.parse(message(1, asked))


def test_the_longest_name_is_accepted() -> None:
    asked = (b"\x3f" + b"a" * 63) * 3 + b"\x3d" + b"a" * 61 + b"\0"
    assert len(asked) == 255
    assert len(dns.parse(message(1, asked + b"\0\x01\0\x01")).name) == 253


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0" * 11,
        message(1, question("x"), flags=0x2800),
        message(1, question("x"))[:4] + b"\0\2" + message(1, question("x"))[6:],
        answered(1, "x", "192.0.2.1")[:-1],
        message(1, question("x"), (record(pointer(12), A, b"abc"),), flags=RESPONSE),
        message(1, question("x"), (record(pointer(12), CNAME, name("y") + b"!"),), flags=RESPONSE),
    ],
    ids=["nothing", "short", "an update", "two questions", "cut unsaid", "three bytes", "more than a name"],
)
def test_what_is_no_message_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="DNS"):
        dns.parse(raw)


def test_what_is_cut_keeps_the_answers_that_are_whole() -> None:
    whole = answered(1, "x.example", "192.0.2.1", "192.0.2.2", "192.0.2.3")
    for size in range(len(whole)):
        if size < 12 + len(question("x.example")):
            continue
        found = dns.parse(whole[:size], cut=True)
        assert not found.complete
        assert [one.data for one in found.answers] == ["192.0.2.1", "192.0.2.2"][: (size - 27) // 16]
    assert not dns.parse(message(1, question("x"), flags=RESPONSE | CUT)).complete


def test_answers_are_bounded() -> None:
    found = dns.parse(answered(1, "x", *["192.0.2.1"] * 200))
    assert (len(found.answers), found.complete) == (64, False)


VALID = st.sampled_from(
    [
        message(1, question("www.example.com")),
        answered(2, "www.example.com", "192.0.2.1", "192.0.2.2"),
        message(3, question("a.b"), (record(pointer(12), CNAME, b"\x01c" + pointer(14)),), flags=RESPONSE),
    ]
)
MUTATED = st.builds(
    lambda raw, at, junk: raw[: at % len(raw)] + junk + raw[at % len(raw) + len(junk) :],
    VALID,
    st.integers(0, 500),
    st.binary(min_size=1, max_size=4),
)


@given(st.binary(max_size=600) | MUTATED, st.booleans())
def test_no_bytes_make_the_parser_raise_but_value_error(raw: bytes, cut: bool) -> None:
    with contextlib.suppress(ValueError):
        found = dns.parse(raw, cut=cut)
        assert len(found.name) <= 4 * 255
        assert found.name.isascii()
        assert found.name.isprintable()
        assert len(found.answers) <= 64
        for one in found.answers:
            assert len(one.data) <= 4 * 255


@functools.cache
def hello(host: str | None) -> bytes:
    """Return the ClientHello that OpenSSL sends."""
    out = ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = host is not None
    client = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=host)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return out.read()


def test_the_server_name_of_a_hello_is_read() -> None:
    assert tls_hello.server_name(hello("Drop.Example.COM")) == "drop.example.com"
    assert tls_hello.server_name(hello(None)) is None


def test_a_hello_that_is_cut_names_the_host_or_nobody() -> None:
    whole = hello("drop.example.com")
    for size in range(len(whole)):
        with contextlib.suppress(ValueError):
            assert tls_hello.server_name(whole[:size]) in (None, "drop.example.com")


@given(st.integers(0, 600), st.binary(min_size=1, max_size=6))
def test_no_bytes_make_the_hello_raise_but_value_error(at: int, junk: bytes) -> None:
    whole = hello("drop.example.com")
    at %= len(whole)
    with contextlib.suppress(ValueError):
        found = tls_hello.server_name(whole[:at] + junk + whole[at + len(junk) :])
        assert found is None or (found.isascii() and found.isprintable() and len(found) <= 253)
    with contextlib.suppress(ValueError):
        tls_hello.server_name(junk)


@given(st.integers(0, 4), st.sampled_from((0, 6, 17)), st.binary(max_size=300))
def test_no_bytes_make_the_record_raise_but_value_error(kind: int, protocol: int, raw: bytes) -> None:
    with contextlib.suppress(ValueError):
        found = bpf_dns.parse(bytes([kind, protocol]) + raw)
        assert found.protocol == {6: "tcp", 17: "udp"}[protocol]
        assert len(found.payload) <= len(raw)

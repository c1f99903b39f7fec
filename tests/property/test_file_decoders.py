"""Decoders of the file sensor: nothing raises, and what is told holds for all inputs."""

from __future__ import annotations

import io
import struct
from collections import Counter

from hypothesis import example, given
from hypothesis import strategies as st

from agent.decode.capability import capability_text
from agent.decode.package_db import locked_inodes, parse_list, parse_md5sums, parse_rpm, parse_status
from agent.token_bucket import TokenBucket
from agent.trees.diff import LINE_BYTES, LINES, changed_lines, kept_form

TEXT = st.lists(
    st.sampled_from(
        [b"Package: a", b"Version: 1", b"Conffiles:", b" /etc/x " + b"0" * 32, b"\n", b"\n\n", b"\t", b":"]
    )
    | st.binary(max_size=12)
).map(b"".join)
LINE = st.binary(max_size=20).filter(
    lambda raw: not {b"\n", b"\r"} & {raw[i : i + 1] for i in range(len(raw))}
)


@given(TEXT)
@example(b"Conffiles:\n\n /etc/x 00000000000000000000000000000000")
def test_package_databases_raise_nothing(raw: bytes) -> None:
    list(parse_status(raw.splitlines(keepends=True)))
    list(parse_md5sums(io.BytesIO(raw)))
    list(parse_list(io.BytesIO(raw)))
    list(parse_rpm(raw))
    locked_inodes(raw.decode("latin-1"))


@given(st.binary(max_size=30))
def test_any_capability_attribute_is_text_or_none(raw: bytes) -> None:
    capability_text(raw)


def test_capabilities_read_as_getcap_writes_them() -> None:
    def raw(effective: int, permitted: int, inheritable: int) -> bytes:
        low, high = 0xFFFFFFFF, 32
        return struct.pack(
            "<IIIII",
            0x02000000 | effective,
            *(permitted & low, inheritable & low, permitted >> high, inheritable >> high),
        )

    assert capability_text(raw(1, 1 << 13, 0)) == "cap_net_raw+ep"
    assert capability_text(raw(0, 1 << 39, 0)) == "cap_bpf+p"
    assert capability_text(raw(0, 1 << 7, 1 << 7)) == "cap_setuid+ip"
    assert capability_text(raw(0, 0, 0)) == "="


@given(st.lists(LINE, max_size=8), st.lists(LINE, max_size=8))
def test_added_and_removed_lines_lead_from_before_to_after(before: list[bytes], after: list[bytes]) -> None:
    old, new = b"\n".join(before), b"\n".join(after)
    added, removed = changed_lines(b"/etc/passwd", old, new)
    assert Counter(old.splitlines()) - Counter(removed) + Counter(added) == Counter(new.splitlines())


@given(st.lists(st.tuples(st.sampled_from([b"root", b"eve"]), LINE), max_size=6))
def test_shadow_gives_users_only(lines: list[tuple[bytes, bytes]]) -> None:
    content = b"\n".join(user + b":canary" + secret for user, secret in lines)
    kept = kept_form(b"/etc/shadow", content, b"k" * 32)
    assert b"canary" not in kept
    added, removed = changed_lines(b"/etc/shadow", b"", kept)
    assert removed == ()
    assert set(added) <= {b"root", b"eve"}


def test_a_diff_is_bounded() -> None:
    huge = b"\n".join(b"%d" % number + b"x" * 5000 for number in range(1000))
    added, _ = changed_lines(b"/etc/passwd", b"", huge)
    assert len(added) == LINES
    assert max(map(len, added)) == LINE_BYTES


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 500)), max_size=50))
def test_a_bucket_never_gives_more_than_its_rate(steps: list[tuple[int, int]]) -> None:
    bucket, now, spent, largest = TokenBucket(100), 0, 0, 0
    for pause, count in steps:
        now += pause
        if bucket.ready(now):
            bucket.spend(count)
            spent, largest = spent + count, max(largest, count)
    assert spent <= 100 + 100 * now / 1e9 + largest

"""The header of a log line: its time above all."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from agent.decode.syslog import parse_line

SECOND = 1_000_000_000


def utc(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * SECOND  # type: ignore[misc,arg-type]


def time_of(raw: bytes, now: int, zone: str = "UTC") -> int | None:
    line = parse_line(raw, now, ZoneInfo(zone))
    return None if line is None else line.time


def test_the_year_is_the_newest_that_is_not_in_the_future() -> None:
    raw = b"Dec 31 23:59:59 h sshd[1]: x"
    assert time_of(raw, utc(2027, 1, 1, 0, 0, 5)) == utc(2027, 1, 1) - 1
    assert time_of(b"Jan  1 00:00:01 h sshd[1]: x", utc(2026, 12, 31, 23, 59, 0)) == utc(2027, 1, 1, 0, 0, 1)


def test_29_february_is_found_in_the_last_leap_year() -> None:
    assert time_of(b"Feb 29 12:00:00 h a: x", utc(2026, 11, 22)) == utc(2024, 2, 29, 12) + SECOND - 1


def test_the_zone_is_the_hosts() -> None:
    now = utc(2026, 11, 22, 12)
    assert time_of(b"Nov 22 04:41:26 h a: x", now, "America/New_York") == utc(2026, 11, 22, 9, 41, 27) - 1


def test_a_line_read_as_it_is_written_is_dated_now() -> None:
    now = utc(2026, 11, 22, 4, 41, 26) + 300_000_000
    assert time_of(b"Nov 22 04:41:26 h a: x", now) == now


def test_rfc_3339_keeps_its_fraction() -> None:
    raw = b"2026-11-22T06:41:26.000000007+02:00 h a[3]: x"
    assert time_of(raw, 0) == utc(2026, 11, 22, 4, 41, 26) + 7


def test_bytes_that_are_not_utf8_are_escaped() -> None:
    line = parse_line(b"Nov 22 04:41:26 h sshd[12]: Invalid user \xff", utc(2026, 11, 22, 5), UTC)
    assert line is not None
    assert (line.program, line.pid, line.message, line.escaped) == ("sshd", 12, "Invalid user \\xff", True)


def test_what_has_no_header_is_none() -> None:
    for raw in (b"", b"hello", b"Nov 22 04:41:26", b"Xyz 22 04:41:26 h a: x", b"Nov 32 04:41:26 h a: x"):
        assert parse_line(raw, utc(2026, 11, 22), UTC) is None

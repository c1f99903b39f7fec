"""Events as files: OCSF objects (NDJSON), Parquet, or CSV that no spreadsheet takes for a formula."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from evidence import codec, ocsf

from ..lake import columns
from .fetch import Row

Batches = Iterable[list[Row]]
_FORMULA = ("=", "+", "-", "@")
"""What a cell must not begin with, after white space (OWASP, CSV injection)."""


def to_ocsf(batches: Batches) -> Iterator[bytes]:
    """Yield events as OCSF 1.8.0 objects, one line of JSON each."""
    encoder = msgspec.json.Encoder()
    for rows in batches:
        yield encoder.encode_lines(ocsf_object(row) for row in rows)


def ocsf_object(row: Row) -> dict[str, Any]:
    """Return a row of the lake as an OCSF object; a body this version cannot read becomes a base event."""
    body: str = row["body"]
    line = b'{"seq":%d,"time":%d,"mono":%d,"body":%b}' % (
        row["seq"],
        row["time"],
        row["mono"],
        body.encode(),
    )
    origin = ocsf.Origin(
        agent=row["agent"],
        epoch=row["epoch"],
        boot=row["boot"],
        host=row["host"] or row["agent"],
        received=row["received"],
        person=row["person"],
        how=row["how"],
        source=row["person_source"],
        fingerprint=row["fingerprint"],
    )
    decoded = codec.decode(line)
    event = (
        decoded.events[0]
        if decoded.events
        else codec.Unknown(line, row["seq"], row["time"], row["mono"], row["kind"], None)
    )
    return ocsf.to_ocsf(event, origin)


def to_csv(batches: Batches) -> Iterator[bytes]:
    """Yield events as CSV (RFC 4180, UTF-8): a line of names, then one line each."""
    names = [column.name for column in columns.EVENTS]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(names)
    for rows in batches:
        writer.writerows([cell(row[name]) for name in names] for row in rows)
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()


def cell(value: Any) -> str:
    """Return a value as a CSV cell: no formula for a spreadsheet, no control sequence for a terminal."""
    if value is None:
        return ""
    if isinstance(value, int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    text = " ".join(value) if isinstance(value, list) else str(value)
    text = "".join(_visible(character) for character in text)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def _visible(character: str) -> str:
    if character == "\n" or unicodedata.category(character) not in ("Cc", "Cf", "Cs"):
        return character
    return f"\\x{ord(character):02x}" if ord(character) < 256 else f"\\u{ord(character):04x}"  # noqa: PLR2004


class _Sink(io.RawIOBase):
    """Where the Parquet writer writes: keeps what was not yet taken."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._size += len(part)
        return len(part)

    def tell(self) -> int:
        return self._size

    def take(self) -> bytes:
        whole = b"".join(self._parts)
        self._parts.clear()
        return whole


def to_parquet(batches: Batches) -> Iterator[bytes]:
    """Yield events as one Parquet file with the lake's columns, zstd."""
    sink = _Sink()
    schema = columns.schema("events")
    with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), schema, compression="zstd") as writer:
        for rows in batches:
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            yield sink.take()
    yield sink.take()


FORMATS: dict[str, tuple[str, str, Callable[[Batches], Iterator[bytes]]]] = {
    "ocsf": ("application/x-ndjson", "ndjson", to_ocsf),
    "parquet": ("application/vnd.apache.parquet", "parquet", to_parquet),
    "csv": ("text/csv", "csv", to_csv),
}
"""Format to its media type, file name's ending, and writer."""

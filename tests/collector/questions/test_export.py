"""Exports: valid OCSF objects, exact Parquet, and CSV that neither spreadsheet nor terminal obeys."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.lake import columns
from collector.questions import export, fetch, queries
from collector.questions.conditions import Where
from tests.collector.api import lake


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[fetch.Row]:
    made = lake.make(tmp_path_factory.mktemp("lake"))
    with fetch.connect(made.snapshot, 1 << 28) as connection:
        return fetch.rows(connection, queries.export(Where("TRUE"), queries.Span(), 100), 10.0)


def test_ocsf_objects_are_one_a_line_and_hold_the_body(rows: list[fetch.Row]) -> None:
    objects = [json.loads(line) for line in b"".join(export.to_ocsf([rows])).splitlines()]
    assert len(objects) == len(rows)
    execs = [each for each in objects if each["class_uid"] == 1007 and each["activity_id"] == 1]
    assert execs
    assert {each["unmapped"]["vedette"]["person"] for each in execs} == {"alice"}


@pytest.mark.parametrize(
    "body",
    [
        '{"kind":"of.tomorrow","x":1}',
        '{"kind":"process.exec","pid":1,"new_field":2}',
        '{"kind":"process.exec"}',
        "{}",
    ],
)
def test_a_body_this_version_cannot_read_costs_no_other(rows: list[fetch.Row], body: str) -> None:
    strange = {**rows[0], "body": body, "kind": "of.tomorrow"}
    objects = [json.loads(line) for line in b"".join(export.to_ocsf([[strange, rows[1]]])).splitlines()]
    assert len(objects) == 2


def test_parquet_is_the_lakes_rows(rows: list[fetch.Row], tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"".join(export.to_parquet([rows[:5], rows[5:]])))
    table = pq.read_table(tmp_path / "x")
    assert table.schema.names == columns.schema("events").names
    assert table.to_pylist() == rows


def test_an_empty_export_is_a_valid_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"".join(export.to_parquet([])))
    assert pq.read_table(tmp_path / "x").num_rows == 0
    assert b"".join(export.to_csv([])).count(b"\r\n") == 1
    assert b"".join(export.to_ocsf([])) == b""


_HOSTILE = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        " =1",
        '"=1"',
        "\x1b[2J",
        "\u202eabc",
        "a,b\r\nc",
    ]
)


@given(st.lists(_HOSTILE, min_size=1, max_size=4))
def test_no_cell_is_a_formula_or_steers_a_terminal(values: list[str]) -> None:
    row: dict[str, Any] = dict.fromkeys(column.name for column in columns.EVENTS)
    row["argv"], row["cmd_line"] = values, values[0]
    text = b"".join(export.to_csv([[row]])).decode()
    read = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(read) == 1
    for cell in (read[0]["cmd_line"], read[0]["argv"]):
        assert not cell.lstrip("\n ").startswith(("=", "+", "-", "@", "\t", "\r"))
    assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(text)


@given(st.none() | st.booleans() | st.integers())
def test_numbers_stay_numbers(value: bool | int | None) -> None:
    shown = export.cell(value)
    assert shown == ("" if value is None else str(value).lower())

"""The commands that write files, and the check of a bundle without a collector."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from client.cli import main
from tests.collector.api import lake

from .conftest import Served, run


def test_exports_are_whole_files_in_their_formats(served: Served, tmp_path: Path) -> None:
    for form in ("ocsf", "parquet", "csv"):
        assert run(served, "export", "--format", form, "--out", str(tmp_path / form)) == 0
    count = len(lake.story()) + lake.reached().num_rows
    objects = [json.loads(line) for line in (tmp_path / "ocsf").read_bytes().splitlines()]
    assert len(objects) == count
    assert {each["metadata"]["version"] for each in objects} == {"1.8.0"}
    assert pq.read_table(tmp_path / "parquet").num_rows == count
    rows = list(csv.DictReader((tmp_path / "csv").open(newline="")))
    assert len(rows) == count
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "@", "-b"))]
    assert "'=cmd|' /C calc'!A0" in {row["cmd_line"] for row in rows}
    assert {path.name for path in tmp_path.iterdir()} == {"ocsf", "parquet", "csv"}


def test_an_export_that_fails_leaves_no_file(served: Served, tmp_path: Path) -> None:
    assert run(served, "export", "nofield:1", "--format", "csv", "--out", str(tmp_path / "x")) == 2
    assert run(served, "export", "--format", "csv", "--out", str(tmp_path / "no" / "x")) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_is_fetched_and_checked_offline(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "b"
    assert run(served, "export", "--format", "bundle", "--alert", "c0ffee", "--out", str(out)) == 0
    assert main(["verify", str(out)]) == 0
    assert "consistent, not anchored" in capsys.readouterr().out
    out.write_bytes(out.read_bytes()[:-9])
    assert main(["verify", str(out)]) == 1
    assert main(["verify", str(tmp_path / "none")]) == 2
    (tmp_path / "receipts").write_text("nonsense\n")
    assert main(["verify", str(out), "--trust", str(tmp_path / "receipts")]) == 2

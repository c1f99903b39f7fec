"""docs/store.md lists every table and column of the lake as the code defines it."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.lake import columns

DOCUMENT = (Path(__file__).parents[2] / "docs" / "store.md").read_text()


@pytest.mark.parametrize("table", columns.TABLES)
def test_every_column_stands_in_the_document_with_type_and_meaning(table: columns.TableName) -> None:
    section = DOCUMENT.partition(f"\n### {table}\n")[2].partition("\n#")[0]
    listed = [line for line in section.splitlines() if line.startswith("| ")][1:]
    assert listed == [
        f"| {column.name} | {column.type} | {column.meaning} |" for column in columns.TABLES[table]
    ]

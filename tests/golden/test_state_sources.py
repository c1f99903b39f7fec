"""Files as hosts have them against what each source reads in them; run this file to write those anew.

A file `SOURCE__PATH` in golden/state holds what stood at PATH, its slashes written as `+`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.state_diff import Snapshot
from agent.state_source import Found, all_sources

FOLDER = Path(__file__).parent / "state"
FILES = sorted(path.name for path in FOLDER.iterdir() if path.suffix != ".expected")
SOURCES = {source.name: source for source in all_sources()}


def snapshot(name: str) -> Snapshot:
    source, _, path = name.partition("__")
    return SOURCES[source].parse(Found(path.replace("+", "/"), (FOLDER / name).read_bytes()))


@pytest.mark.parametrize("name", FILES)
def test_file_gives_the_expected_snapshot(name: str) -> None:
    assert snapshot(name) == json.loads((FOLDER / f"{name}.expected").read_text())


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_has_an_example(source: str) -> None:
    assert any(name.startswith(f"{source}__") for name in FILES)


if __name__ == "__main__":
    for file in FILES:
        text = json.dumps(snapshot(file), indent=1, ensure_ascii=False)
        (FOLDER / f"{file}.expected").write_text(text + "\n")

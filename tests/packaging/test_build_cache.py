from __future__ import annotations

from pathlib import Path

import pytest
from runtime import cache


class Step:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, folder: Path) -> None:
        self.calls += 1
        (folder / "outcome").write_text("made")


def test_equal_inputs_are_made_once(tmp_path: Path) -> None:
    step = Step()
    first = cache.kept(tmp_path, "step", ["a", "b"], step)
    assert cache.kept(tmp_path, "step", ["a", "b"], step) == first
    assert step.calls == 1
    assert (first / "outcome").read_text() == "made"


@pytest.mark.parametrize(("name", "inputs"), [("step", ["ab"]), ("step", ["a", "c"]), ("other", ["a", "b"])])
def test_other_inputs_are_made_anew(tmp_path: Path, name: str, inputs: list[str]) -> None:
    step = Step()
    first = cache.kept(tmp_path, "step", ["a", "b"], step)
    assert cache.kept(tmp_path, name, inputs, step) != first
    assert step.calls == 2


def test_a_broken_step_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    def broken(folder: Path) -> None:
        (folder / "half").write_text("")
        raise RuntimeError("no space")

    with pytest.raises(RuntimeError):
        cache.kept(tmp_path, "step", [], broken)
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VEDETTE_BUILD_CACHE", str(tmp_path))
    assert cache.default() == tmp_path
    monkeypatch.delenv("VEDETTE_BUILD_CACHE")
    assert cache.default() == Path(__file__).parents[2] / "build"


def test_comments_are_no_input_of_a_step() -> None:
    (said,) = cache.code("cache")
    assert "_VARIABLE" in said
    assert "#" not in said

"""No link leads out of a tree: not as a file, not as a folder on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.kernel import no_follow
from agent.kernel.no_follow import exists, open_folder, present


@pytest.fixture(params=["openat2", "step by step"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "step by step":
        monkeypatch.setattr(no_follow, "_OPENAT2", 100_000)  # no such call, as before Linux 5.6
    return str(request.param)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tree/sub").mkdir(parents=True)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/key").write_text("x")
    (tmp_path / "tree/sub/plain").write_text("x")
    (tmp_path / "tree/way").symlink_to(tmp_path / "secret")
    return tmp_path / "tree"


@pytest.mark.usefixtures("way")
def test_a_folder_behind_a_link_does_not_open(tree: Path) -> None:
    with pytest.raises(OSError, match=r"."):
        open_folder(bytes(tree / "way"))
    with pytest.raises(OSError, match=r"."):
        open_folder(bytes(tree / "way/../sub"))


@pytest.mark.usefixtures("way")
def test_what_is_behind_a_link_is_not_there(tree: Path) -> None:
    asked = [bytes(tree / name) for name in ("way", "way/key", "sub/plain", "sub/none")]
    assert present(asked) == {asked[0], asked[2]}
    assert not exists(asked[1])

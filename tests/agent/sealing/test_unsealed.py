"""Events taken in and not yet sealed: kept through a kill, a torn write, a full disk and another boot."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.kernel.rings import Left
from agent.sealing.unsealed import Found, Frame, Spooled, Unsealed, encode, frames, recover
from evidence.event import stamp
from evidence.kind import Lane
from evidence.kinds.process import Exec
from evidence.statement import Loss

NONE: dict[Lane, int] = {"priority": 0, "bulk": 0}
LOSS = Loss("process: ring_full", 1, 2, {"process": 3})
MORE = Loss("process: ring_full", 1, 5, {"process": 9})


def line(seq: int, size: int = 1) -> bytes:
    return msgspec.json.encode(stamp(Exec(pid=seq, argv=("x" * size,)), seq=seq, time=seq, mono=seq))


def opened(
    folder: Path,
    sealed: dict[Lane, int] = NONE,
    heads: dict[Lane, int] = NONE,
    boot: str = "b",
    owner: str = "o",
) -> Unsealed:
    return Unsealed(folder, Spooled(owner, boot, sealed, heads))


def numbers(found: Found) -> list[tuple[Lane, int]]:
    return [(each[0], each[1].seq) for each in found.events]


def test_a_first_start_finds_nothing_and_claims_nothing(tmp_path: Path) -> None:
    found = opened(tmp_path).found
    assert (numbers(found), found.left, found.losses, found.whole) == ([], Left(), (), False)


def test_what_was_kept_is_found_and_what_was_sealed_is_not(tmp_path: Path) -> None:
    first = opened(tmp_path)
    for seq in range(1, 7):
        first.add("priority" if seq % 2 else "bulk", seq, line(seq))
    first.keep({"7": 640}, {"7": [4, 0]}, (LOSS,))
    first.add("bulk", 7, line(7))
    first.keep({"8": 80}, {"7": [4, 0]}, None)
    first.add("bulk", 8, line(8))  # taken in, not kept: its ring still holds it
    found = opened(tmp_path, sealed={"priority": 3, "bulk": 4}).found
    assert numbers(found) == [("priority", 5), ("bulk", 6), ("bulk", 7)]
    assert found.left == Left({"7": 640, "8": 80}, {"7": [4, 0]})
    assert (found.losses, found.whole, found.last_seq) == ((LOSS,), True, 7)


def test_what_is_found_is_found_again_after_another_kill(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.add("bulk", 1, line(1))
    first.keep({"7": 640}, {"7": [4, 0]}, (LOSS,))
    second = opened(tmp_path).found
    third = opened(tmp_path).found
    assert (numbers(third), third.left, third.losses) == (numbers(second), second.left, second.losses)


@pytest.mark.parametrize(("head", "left"), [(4, (LOSS, MORE)), (5, (MORE,))])
def test_a_loss_is_signed_once_whether_its_statement_was_stored_or_not(
    tmp_path: Path, head: int, left: tuple[Loss, ...]
) -> None:
    first = opened(tmp_path)
    first.keep({}, {}, (LOSS, MORE))
    first.sealing("bulk", 5, (MORE,))
    assert opened(tmp_path, heads={"priority": 9, "bulk": head}).found.losses == left


def test_positions_of_another_boot_do_not_count_and_its_events_do(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.add("bulk", 1, line(1))
    first.keep({"7": 640}, {"7": [4, 0]}, None)
    found = opened(tmp_path, boot="another").found
    assert (numbers(found), found.left) == ([("bulk", 1)], Left())


def test_another_identity_takes_nothing_over(tmp_path: Path) -> None:
    first = opened(tmp_path)
    first.add("bulk", 1, line(1))
    first.keep({"7": 640}, {}, (LOSS,))
    found = opened(tmp_path, owner="another").found
    assert (numbers(found), found.left, found.losses) == ([], Left(), ())


def test_files_go_once_their_events_are_sealed(tmp_path: Path) -> None:
    unsealed = opened(tmp_path)
    for seq in range(1, 30):
        unsealed.add("bulk", seq, line(seq, 200_000))
        unsealed.keep({"7": seq}, {}, None)
    before = len(list(tmp_path.iterdir()))
    unsealed.settle({"priority": None, "bulk": 15})
    between = len(list(tmp_path.iterdir()))
    unsealed.settle({"priority": None, "bulk": None})
    assert before > between > len(list(tmp_path.iterdir())) == 1
    found = opened(tmp_path, sealed={"priority": 0, "bulk": 29}).found
    assert (numbers(found), found.left.positions) == ([], {"7": 29}), "positions outlive their file"


def test_a_stop_that_sealed_all_leaves_nothing(tmp_path: Path) -> None:
    unsealed = opened(tmp_path)
    unsealed.add("bulk", 1, line(1))
    unsealed.keep({}, {}, None)
    unsealed.close(done=True)
    assert list(tmp_path.iterdir()) == []


def test_a_stop_that_did_not_seal_all_leaves_it(tmp_path: Path) -> None:
    unsealed = opened(tmp_path)
    unsealed.add("bulk", 1, line(1))
    unsealed.keep({}, {}, None)
    unsealed.close(done=False)
    assert numbers(opened(tmp_path).found) == [("bulk", 1)]


def test_a_disk_that_takes_no_more_makes_the_next_start_claim_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsealed = opened(tmp_path)
    unsealed.add("bulk", 1, line(1))
    unsealed.keep({"7": 1}, {}, None)
    with monkeypatch.context() as full:
        full.setattr("agent.sealing.unsealed.os.write", lambda _, raw: len(raw) // 2)
        unsealed.add("bulk", 2, line(2))
        unsealed.keep({"7": 2}, {}, None)
    unsealed.add("bulk", 3, line(3))
    unsealed.keep({"7": 3}, {}, None)
    found = opened(tmp_path).found
    assert not found.whole
    assert numbers(found) == [("bulk", 1), ("bulk", 3)]
    assert opened(tmp_path).found.whole, "that was of the last run"


@given(st.data())
def test_a_torn_file_gives_the_frames_before_the_tear(data: st.DataObject) -> None:
    written = [Frame(bulk=[line(seq)], positions={"7": seq}) for seq in range(1, 6)]
    raw = b"".join(encode(frame) for frame in written)
    cut = data.draw(st.integers(0, len(raw)))
    found = frames(raw[:cut])
    assert found == written[: len(found)]
    assert sum(len(encode(frame)) for frame in found) <= cut
    assert len(found) == len(written) or sum(len(encode(one)) for one in written[: len(found) + 1]) > cut


@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0, 255))
def test_no_bytes_raise(noise: bytes, at: int, flipped: int) -> None:
    raw = bytearray(
        encode(Frame(bulk=[line(1)], owner="o", boot="b")) + encode(Frame(priority=[noise])) + noise
    )
    raw[at % len(raw)] ^= flipped
    found = recover(frames(bytes(raw)), Spooled("o", "b", NONE, NONE), whole=True)
    assert numbers(found) in ([], [("bulk", 1)])

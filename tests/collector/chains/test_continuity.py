"""The state of a chain does not depend on the order in which its statements came."""

from __future__ import annotations

import hashlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.chains.chains import LeafIndex
from collector.chains.continuity import Chain
from collector.chains.ranges import Ranges


def digest(seq: int, variant: int = 0) -> str:
    return hashlib.sha256(b"%d %d" % (seq, variant)).hexdigest()


def prev(seq: int, broken: frozenset[int]) -> str:
    return digest(seq - 1, 9) if seq in broken else digest(seq - 1)


def chain_of(order: list[int], broken: frozenset[int] = frozenset()) -> Chain:
    chain = Chain(digest(0))
    for seq in order:
        chain.add(seq, digest(seq), prev(seq, broken))
    return chain


@given(st.data())
def test_any_arrival_order_gives_the_same_state(data: st.DataObject) -> None:
    seqs = data.draw(st.lists(st.integers(1, 60), unique=True, max_size=40))
    broken = frozenset(data.draw(st.lists(st.integers(1, 60), max_size=4)))
    shuffled = data.draw(st.permutations(seqs))
    forks = data.draw(st.lists(st.sampled_from(seqs), max_size=3)) if seqs else []
    one, other = chain_of(sorted(seqs), broken), chain_of(shuffled, broken)
    for seq in forks:
        one.fork(seq)
    for seq in reversed(forks):
        other.fork(seq)
    assert one.state() == other.state()
    assert one.head() == other.head()


@given(st.lists(st.integers(1, 60), unique=True, max_size=40), st.frozensets(st.integers(1, 60), max_size=5))
def test_the_state_is_what_a_look_at_the_whole_set_gives(seqs: list[int], broken: frozenset[int]) -> None:
    there = {0, *seqs}
    state = chain_of(seqs, broken).state()
    missing = set(range(max(there))) - there
    assert state.contiguous == min(missing, default=max(there) + 1) - 1
    assert {seq for first, last in state.holes for seq in range(first, last + 1)} == missing
    assert state.broken == tuple(sorted(seq for seq in broken if seq in there and seq - 1 in there))
    assert state.highest == max(there)
    assert state.is_whole == (not missing and not state.broken)


@given(st.lists(st.integers(1, 40), unique=True, max_size=30), st.integers(1, 45))
def test_opens_hole_foretells_what_add_does(seqs: list[int], extra: int) -> None:
    chain = chain_of(seqs)
    assert chain.has(extra) == (extra in seqs)
    if extra in seqs:
        with pytest.raises(ValueError, match="already"):
            chain.add(extra, digest(extra), digest(extra - 1))
        return
    holes, foretold = chain.holes, chain.opens_hole(extra)
    chain.add(extra, digest(extra), digest(extra - 1))
    assert foretold == (chain.holes > holes)


def test_only_the_ends_of_runs_are_remembered() -> None:
    chain = chain_of(list(range(1, 5000)))
    assert len(vars(chain)["_digests"]) == 1
    assert len(vars(chain)["_prevs"]) == 0


def test_a_first_statement_must_quote_the_enrolment() -> None:
    chain = Chain(digest(0))
    chain.add(1, digest(1), digest(0, 1))
    assert chain.state().broken == (1,)


@given(st.dictionaries(st.integers(1, (1 << 63) - 1), st.integers(0, 1 << 40), max_size=30))
def test_leaf_index_keeps_what_it_was_given(pairs: dict[int, int]) -> None:
    index = LeafIndex()
    for seq, leaf in pairs.items():
        index[seq] = leaf
    assert {seq: index[seq] for seq in pairs} == pairs
    assert index[7] == pairs.get(7)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 40), st.integers(0, 10)), max_size=25),
    st.integers(0, 50),
    st.integers(0, 10),
)
def test_ranges_are_a_set_of_numbers(steps: list[tuple[bool, int, int]], first: int, length: int) -> None:
    ranges, model = Ranges(), set[int]()
    for adds, start, size in steps:
        numbers = range(start, start + size + 1)
        if adds:
            ranges.add(start, start + size)
            model.update(numbers)
        else:
            ranges.remove(start, start + size)
            model.difference_update(numbers)
    assert {number for a, b in ranges for number in range(a, b + 1)} == model
    assert [number in ranges for number in range(55)] == [number in model for number in range(55)]
    assert ranges.touches(first, first + length) == bool(model & set(range(first, first + length + 1)))
    pairs = list(ranges)
    assert all(end + 1 < start for (_, end), (start, _) in itertools.pairwise(pairs))
    assert len(ranges) == len(pairs)

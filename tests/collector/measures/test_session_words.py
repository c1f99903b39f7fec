"""The words that rules read: ssh's options, names below registered domains, how regular calls are."""

from __future__ import annotations

import pytest

from collector.correlations.beacon import score
from collector.correlations.ssh_forward import forward
from collector.measures import domains
from collector.measures.windows import Item

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("ssh -fNR 2222:localhost:22 vps", "-R 2222:localhost:22"),
        ("ssh -p 443 -D1080 vps", "-D 1080"),
        ("ssh -NTL 5432:db:5432 -i key vps", "-L 5432:db:5432"),
        ("/usr/bin/ssh -o RemoteForward=1:b:2 vps", "-o RemoteForward=1:b:2"),
        ("ssh -oDynamicForward=1080 vps", "-o DynamicForward=1080"),
        ("ssh -w 0:0 vps", "-w 0:0"),
        ("ssh vps -R 1:b:2", None),
        ("ssh -i -R vps", None),
        ("ssh -o ForwardAgent=yes -A vps", None),
        ("ssh -o Tunnel=no vps", None),
        ("ssh -W app:22 bastion", None),
        ("ssh -l L -F R vps", None),
        ("ssh", None),
        ("", None),
    ],
)
def test_which_option_of_ssh_forwards(words: str, found: str | None) -> None:
    assert forward(words) == found


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a.b.example.com", ("a.b", "example.com")),
        ("a.b.example.co.uk", ("a.b", "example.co.uk")),
        ("a.b.c.d.e.f.g.example.co.uk.", ("a.b.c.d.e.f.g", "example.co.uk")),
        ("x.alice.github.io", ("x", "alice.github.io")),
        ("example.com", None),
        ("com", None),
        ("", None),
        (".", None),
        ("a..example.com", None),
    ],
)
def test_what_stands_before_a_registered_domain(name: str, parts: tuple[str, str] | None) -> None:
    assert domains.split(name) == parts


def calls(gaps: list[int], sizes: list[int]) -> list[Item]:
    time, made = 0, []
    for number, gap in enumerate(gaps):
        time += gap * SECOND
        made.append(Item(time, sizes[number % len(sizes)], f"web1:1:{number}"))
    return made


def test_a_clock_scores_full_and_a_person_far_less() -> None:
    assert score(calls([600] * 80, [420])) >= 950
    human = calls(
        [5, 9, 3, 1800, 4, 60, 7200, 2, 8, 11, 3600, 30] * 4, [300, 9000, 70, 2500, 812, 40_000, 15]
    )
    assert score(human) < 600


def test_a_score_bears_whatever_comes() -> None:
    assert 0 <= score(calls([0] * 30, [0])) <= 1000
    assert 0 <= score(calls([1, 10**9] * 20, [10**15, 0, 1])) <= 1000

"""A second account with uid 0, and a person put into the group sudo."""

from __future__ import annotations

from ..scenario import EVERYTHING, Person, Scenario, Step, Truth
from ..twins import Draw


def _twin(draw: Draw) -> tuple[Step, ...]:
    words = "--system --no-create-home --shell /usr/sbin/nologin"
    return (Step("uwe", f"ssh uwe@db 'sudo useradd {words} {draw.name()}'"),)


SCENARIO = Scenario(
    number=26,
    title="useradd with uid 0",
    people=(Person("ulla", ("db",), EVERYTHING), Person("uwe", ("db",), EVERYTHING)),
    steps=(Step("ulla", "ssh ulla@db 'sudo useradd -o -u 0 -g 0 -M toor; sudo usermod -aG sudo ulla'"),),
    twin_title="an administrator adds a system account, as packages do",
    twin=_twin,
    truth=Truth("ulla", ("db",), ("admin-account",)),
)

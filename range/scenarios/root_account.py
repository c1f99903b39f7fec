"""A second account with uid 0, and a person put into the group sudo."""

from __future__ import annotations

from ..scenario import EVERYTHING, Person, Scenario, Step, Truth

SCENARIO = Scenario(
    number=26,
    title="useradd with uid 0",
    people=(Person("ulla", ("db",), EVERYTHING), Person("uwe", ("db",), EVERYTHING)),
    steps=(Step("ulla", "ssh ulla@db 'sudo useradd -o -u 0 -g 0 -M toor; sudo usermod -aG sudo ulla'"),),
    twin_title="an administrator adds a system account, as packages do",
    twin=(
        Step("uwe", "ssh uwe@db 'sudo useradd --system --no-create-home --shell /usr/sbin/nologin metrics'"),
    ),
    truth=Truth("ulla", ("db",), ("admin-account",)),
)

"""A program that is only in memory: memfd_create and exec of what it holds."""

from __future__ import annotations

from ..scenario import Person, Scenario, Step, Truth
from ..twins import Draw

_RUN = (
    "import os; f = os.memfd_create(chr(120)); os.write(f, open(chr(47) + 'usr/bin/id', 'rb').read()); "
    "os.execv(f'/proc/self/fd/{f}', ['id'])"
)


def _twin(draw: Draw) -> tuple[Step, ...]:
    program = f"print({draw.number(1, 1, 10**9)})"
    return (Step("mia", f"ssh mia@app python3 - > /dev/null <<'END'\n{program}\nEND"),)


SCENARIO = Scenario(
    number=30,
    title="a program executed from memory",
    people=(Person("max", ("app",)), Person("mia", ("app",))),
    steps=(Step("max", f"ssh max@app python3 - > /dev/null <<'END'\n{_RUN}\nEND"),),
    twin_title="the same interpreter runs a script",
    twin=_twin,
    truth=Truth("max", ("app",), ("memory-exec",)),
)

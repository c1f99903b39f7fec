"""A program that is only in memory: memfd_create and exec of what it holds."""

from __future__ import annotations

from ..scenario import Person, Scenario, Step, Truth

_RUN = (
    "import os; f = os.memfd_create(chr(120)); os.write(f, open(chr(47) + 'usr/bin/id', 'rb').read()); "
    "os.execv(f'/proc/self/fd/{f}', ['id'])"
)

SCENARIO = Scenario(
    number=30,
    title="a program executed from memory",
    people=(Person("max", ("app",)), Person("mia", ("app",))),
    steps=(Step("max", f"ssh max@app python3 - > /dev/null <<'END'\n{_RUN}\nEND"),),
    twin_title="the same interpreter runs a script",
    twin=(Step("mia", "ssh mia@app python3 - > /dev/null <<'END'\nprint(1)\nEND"),),
    truth=Truth("max", ("app",), ("memory-exec",)),
)

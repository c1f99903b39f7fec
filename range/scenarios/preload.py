"""A library that every program is to load: /etc/ld.so.preload."""

from __future__ import annotations

from ..scenario import EVERYTHING, Person, Scenario, Step, Truth
from ..twins import Draw


def _twin(draw: Draw) -> tuple[Step, ...]:
    library = draw.one_of("libm.so.6", "libdl.so.2", "libpthread.so.0")
    program = draw.one_of("ls /", "date", "id", "head -c 9 /dev/zero")
    return (Step("paul", f"ssh paul@db 'LD_PRELOAD=/lib/x86_64-linux-gnu/{library} {program} > /dev/null'"),)


SCENARIO = Scenario(
    number=29,
    title="a library is put into /etc/ld.so.preload",
    people=(Person("petra", ("db",), EVERYTHING), Person("paul", ("db",), EVERYTHING)),
    steps=(
        Step(
            "petra",
            "ssh petra@db 'sudo cp /lib/x86_64-linux-gnu/libm.so.6 /usr/local/lib/libaudit-ext.so; "
            "echo /usr/local/lib/libaudit-ext.so | sudo tee /etc/ld.so.preload > /dev/null'",
        ),
    ),
    twin_title="one program is started with an allocator preloaded, as its unit says",
    twin=_twin,
    truth=Truth("petra", ("db",), ("preload",)),
)

"""A library that every program is to load: /etc/ld.so.preload."""

from __future__ import annotations

from ..scenario import EVERYTHING, Person, Scenario, Step, Truth

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
    twin=(Step("paul", "ssh paul@db 'LD_PRELOAD=/lib/x86_64-linux-gnu/libm.so.6 ls / > /dev/null'"),),
    truth=Truth("petra", ("db",), ("preload",)),
)

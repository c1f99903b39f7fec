"""Root writes another login uid for itself, so that what follows looks like a colleague's work."""

from __future__ import annotations

from ..scenario import EVERYTHING, Person, Prepared, Scenario, Step, Truth
from ..twins import Draw


def _twin(draw: Draw) -> tuple[Step, ...]:
    look = draw.one_of("ls /root", "id", "tail -n 1 /etc/passwd", "cat /proc/1/loginuid")
    return (Step("lena", f"ssh lena@db 'sudo sh -c \"cat /proc/self/loginuid; {look}\" > /dev/null'"),)


SCENARIO = Scenario(
    number=31,
    title="root rewrites its login uid",
    people=(Person("lars", ("db",), EVERYTHING), Person("lena", ("db",), EVERYTHING)),
    prepared=(Prepared("db", "id victim 2>/dev/null || useradd --create-home victim"),),
    steps=(
        Step(
            "lars",
            "ssh lars@db 'sudo bash -c \"echo $(id -u victim) > /proc/self/loginuid; ls /root > /dev/null\"'",
        ),
    ),
    twin_title="an administrator works under the own login uid",
    twin=_twin,
    truth=Truth("lars", ("db",), ("identity-changed",)),
)

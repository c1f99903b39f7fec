"""The first process of a range with one host and its outside: tells as JSON what a login there is."""

from __future__ import annotations

import json
import subprocess
import sys

from range.hosts import ground, people
from range.hosts.host import Host
from range.scenario import Person

_TELL = "cat /proc/self/loginuid; echo; id -u; hostname; cat /etc/machine-id /proc/self/sessionid"


def main() -> None:
    folder = ground.prepare()
    for step in ("link add fleet type bridge", "addr add 10.77.0.1/24 dev fleet", "link set fleet up"):
        subprocess.run(["ip", *step.split()], check=True)
    subprocess.run(["ip", "addr", "add", f"{people.HOME_NETWORK}.1/24", "dev", "fleet"], check=True)
    subprocess.run(["sysctl", "-qw", "net.ipv4.ip_forward=1"], check=True)
    names = {"10.77.0.11": "app"}
    app, outside = Host("app", folder), Host("outside", folder)
    app.start(names)
    app.attach("fleet", ("10.77.0.11/24",), "10.77.0.1")
    outside.start(names)
    outside.attach("fleet", (f"{people.home_address(0)}/24",), f"{people.HOME_NETWORK}.1")
    people.settle([Person("alice", ("app",), "NOPASSWD: ALL")], outside, {"app": app})
    told = {
        name: outside.run("runuser", "--login", "alice", "--command", f"ssh alice@app '{words}'").split()
        for name, words in (("login", _TELL), ("sudo", f'sudo sh -c "{_TELL}"'))
    }
    told["log"] = [line for line in app.run("cat", "/var/log/auth.log").splitlines() if "Accepted" in line]
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()

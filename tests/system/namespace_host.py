"""The first process of a pid and network namespace: runs an agent there, and what is asked for on stdin.

Lines in: `true MARK`, `nested MARK`, `connect BYTES`. A line out tells that it is done, and its pid here.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys

_SIOCSIFFLAGS, _UP_AND_RUNNING = 0x8914, 0x41
TRUE = "/usr/bin/true"


def raise_loopback() -> None:
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _UP_AND_RUNNING))


def run(*command: str) -> int:
    pid = os.posix_spawn(command[0], command, os.environ)
    os.waitpid(pid, 0)
    return pid


def connect(count: int) -> int:
    """Send count bytes over a connection of a second and a half."""
    script = (
        "import socket, sys, time\n"
        "s = socket.create_server(('127.0.0.1', 0)); c = socket.create_connection(s.getsockname())\n"
        "a, _ = s.accept(); c.sendall(b'x' * int(sys.argv[1])); time.sleep(1.5); c.close()\n"
        "while a.recv(65536): pass\n"
    )
    return run("/usr/bin/python3", "-I", "-c", script, str(count))


def main(config: str) -> None:
    raise_loopback()
    agent = subprocess.Popen([sys.executable, "-m", "agent.cli", "watch", "--config", config])
    for line in sys.stdin:
        word, value = line.split()
        if word == "true":
            done = run(TRUE, value)
        elif word == "nested":
            done = run("/usr/bin/unshare", "--pid", "--net", "--fork", TRUE, value)
        else:
            done = connect(int(value))
        sys.stdout.write(f"{done}\n")
        sys.stdout.flush()
    agent.send_signal(signal.SIGTERM)
    sys.exit(agent.wait())


if __name__ == "__main__":
    main(sys.argv[1])

"""One test host: its own root, processes, network, name and machine-id, with a real sshd, PAM and sudo."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from pathlib import Path

from . import boot
from .ground import NAMESPACES

_START_SECONDS = 20.0
_ENTER = ("--mount", "--uts", "--ipc", "--net", "--pid")


class HostFailed(RuntimeError):
    """A test host did not start, or a command in it failed; the message has its words."""


class Host:
    """A host of the range, from `start` to the end of the range's first process."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder / name
        self._pid = 0

    def start(self, names: dict[str, str]) -> None:
        """Make the host and start its daemons; it has no network yet.

        Raises:
            HostFailed: it did not start.
        """
        boot.furnish(self.folder, self.name, names)
        key = str(self.folder / "upper/etc/ssh/range_host_key")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        words = ["bash", "-c", boot.SCRIPT, self.name, str(self.folder), *boot.shared()]
        with (self.folder / "output").open("wb") as output:
            process = subprocess.Popen(
                ["unshare", *NAMESPACES, "--fork", "--kill-child", "--propagation", "private", *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self._wait(process)

    def attach(self, bridge: str, addresses: tuple[str, ...], gateway: str) -> None:
        """Link the host with a bridge of the range, by an interface eth0 with the addresses.

        Raises:
            HostFailed: a step was refused.
        """
        end = f"v-{self.name}"
        _network(f"link add {end} type veth peer name eth0 netns {self._pid}")
        _network(f"link set {end} master {bridge} up")
        for address in addresses:
            self.run("ip", "addr", "add", address, "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")
        self.run("ip", "route", "add", "default", "via", gateway)

    def command(self, *words: str) -> list[str]:
        """Return words as a command that root runs on the host."""
        return ["nsenter", "--target", str(self._pid), *_ENTER, *words]

    def run(self, *words: str, stdin: str = "", accept: tuple[int, ...] = (0,)) -> str:
        """Run a command as root on the host and return what it printed.

        Raises:
            HostFailed: its exit code is not in accept.
        """
        done = self.attempt(*words, stdin=stdin)
        if done.returncode not in accept:
            said = (done.stderr or done.stdout).strip()[-1000:]
            raise HostFailed(f"{self.name}: `{shlex.join(words)[:300]}` ended with {done.returncode}: {said}")
        return done.stdout

    def attempt(
        self, *words: str, stdin: str = "", seconds: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as root on the host, whatever its end."""
        return subprocess.run(
            self.command(*words),
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
            env=clean_environment(),
            start_new_session=True,
        )

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file of the host's, as root."""
        self.run("install", "-D", "-m", f"{mode:o}", "/dev/stdin", path, stdin=text)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until the host's own sshd serves, and learn the pid of its first process."""
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            first = children.read_text().split()
            if first and _serves(first[0]):
                self._pid = int(first[0])
                return
            time.sleep(0.02)
        words = (self.folder / "output").read_text(errors="replace")[-1000:]
        raise HostFailed(f"host {self.name} did not start: {words or 'no output'}")


def clean_environment() -> dict[str, str]:
    """Return the environment of a root's shell on a host: nothing of the caller's but how Python is found."""
    kept = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    return {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", **kept}


def _serves(pid: str) -> bool:
    """Return whether the first process has become sshd and listens."""
    try:
        tables = (Path("/proc", pid, "comm"), Path("/proc", pid, "net/tcp"))
        comm, listening = (path.read_text() for path in tables)
    except OSError:
        return False
    return comm.strip() == "sshd" and ":0016 00000000:0000 0A" in listening


def _network(step: str) -> None:
    done = subprocess.run(["ip", *step.split()], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise HostFailed(f"`ip {step}` ended with {done.returncode}: {done.stderr.strip()}")

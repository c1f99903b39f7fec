"""A Debian system booted by systemd-nspawn on an overlay of its own, and commands inside it.

No service of the machine around is used: nothing is registered with machined, and commands enter the
namespaces of the system's first process. The overlay is mounted in a mount namespace of nspawn's own, so
that it is gone when nspawn is.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tests.packages.errors import CommandFailed, NotReady

_T = TypeVar("_T")
_AMONG_SERVICES = ("sh", "-c", 'echo 0 > /sys/fs/cgroup/system.slice/cgroup.procs && exec "$@"', "sh")
"""Sensors at the guest's topmost cgroup see no process that stays in a cgroup outside."""
CAPABILITIES = (
    *("CAP_SYS_ADMIN", "CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN", "CAP_AUDIT_CONTROL", "CAP_AUDIT_READ"),
    *("CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH", "CAP_SYS_RESOURCE"),
)
CALLS = "bpf perf_event_open fanotify_init fanotify_mark open_by_handle_at"
"""What nspawn keeps from its guests unless told, and a virtual machine would not."""
PATIENCE = 120.0
_REBOOT = 133
"""Exit code of nspawn with --keep-unit when the guest asked for a reboot."""
_BPFFS = """[Unit]
DefaultDependencies=no
Before=systemd-tmpfiles-setup.service sysinit.target
[Service]
Type=oneshot
ExecStart=/usr/bin/mount -t bpf -o mode=700 bpf /sys/fs/bpf
"""
"""systemd mounts it on hosts, and not in containers."""
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root"}


@dataclass
class Container:
    """One system: base is read, folder takes what it writes, namespace is its network."""

    name: str
    base: Path
    folder: Path
    namespace: Path
    binds: Mapping[Path, str] = field(default_factory=dict)
    """Folders of this machine to be read inside: place outside, place inside."""
    process: subprocess.Popen[bytes] | None = None
    leader: int = 0

    @property
    def upper(self) -> Path:
        """What differs from the base: before a boot, files can be put here."""
        return self.folder / "upper"

    def put(self, place: str, text: str, mode: int = 0o644) -> None:
        """Write a file before the boot."""
        target = self.upper / place.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def prepare(self) -> None:
        """Make the folders of the overlay, and what a kernel of its own would have made."""
        for path in (self.upper, self.folder / "work", self.folder / "root"):
            path.mkdir(parents=True, exist_ok=True)
        self.put("/etc/hostname", f"{self.name}\n")
        self.put("/etc/hosts", f"127.0.0.1 localhost {self.name}\n")
        self.put("/etc/machine-id", "")
        self.put("/etc/systemd/system/bpffs.service", _BPFFS)
        wants = self.upper / "etc/systemd/system/sysinit.target.wants"
        wants.mkdir(parents=True, exist_ok=True)
        (wants / "bpffs.service").symlink_to("../bpffs.service")

    def boot(self) -> None:
        """Boot and wait until all units of the default target have started.

        Raises:
            NotReady: it did not come up; with the console.
        """
        with (self.folder / "console").open("ab") as console:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "private", "sh", "-c", self._script()],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            )
        self.leader = self.wait("its first process", self._find_leader)
        self.wait("the default target", self._is_up)

    def _script(self) -> str:
        layers = f"lowerdir={self.base},upperdir={self.upper},workdir={self.folder / 'work'}"
        layers += ",index=on,nfs_export=on"  # marks on a whole file system need handles of its files
        root = str(self.folder / "root")
        nspawn = [
            *("systemd-nspawn", "--quiet", f"--directory={root}", f"--machine={self.name}", "--boot"),
            *("--register=no", "--keep-unit", "--console=pipe", f"--network-namespace-path={self.namespace}"),
            *(f"--capability={','.join(CAPABILITIES)}", f"--system-call-filter={CALLS}"),
            *(f"--bind-ro={outside}:{inside}" for outside, inside in self.binds.items()),
        ]
        return f"mount -t overlay overlay -o {shlex.quote(layers)} {root} && exec {shlex.join(nspawn)}"

    def _find_leader(self) -> int | None:
        assert self.process is not None
        if self.process.poll() is not None:
            raise NotReady(f"{self.name} ended with {self.process.returncode}:\n{self.console()}")
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                words = path.read_bytes().split(b"\0")
                last = (path.parent / "status").read_text().partition("NSpid:")[2].split("\n")[0].split()[-1]
            except OSError:
                continue
            if (
                last == "1"
                and self.process.pid in _parents(int(path.parent.name))
                and b"container=systemd-nspawn" in words
            ):
                return int(path.parent.name)
        return None

    def _is_up(self) -> bool:
        done = self.try_run("systemctl", "is-system-running")
        return done.stdout.strip() in ("running", "degraded")

    def try_run(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command inside as root, and return whatever came of it."""
        return subprocess.run(
            [*self._enter(), *words],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            check=False,
            env=_ENVIRONMENT,
            timeout=PATIENCE * 3,
        )

    def run(self, *words: str, stdin: str | None = None, code: int = 0) -> str:
        """Run a command inside as root and return what it printed.

        Raises:
            CommandFailed: it ended with another code; with what it said.
        """
        done = self.try_run(*words, stdin=stdin)
        if done.returncode != code:
            said = f"{done.stdout[-4000:]}{done.stderr[-4000:]}"
            raise CommandFailed(f"{self.name}: {shlex.join(words)} ended with {done.returncode}:\n{said}")
        return done.stdout

    def shell(self, script: str, code: int = 0) -> str:
        """Run a script of sh inside as root."""
        return self.run("sh", "-ec", script, code=code)

    def outside(self, pid: int) -> int:
        """Return the number that this machine gives to a process inside.

        Raises:
            NotReady: there is none with that number.
        """
        for path in Path("/proc").glob("[0-9]*/status"):
            with suppress(OSError):
                numbers = path.read_text().partition("NSpid:")[2].split("\n")[0].split()
                if numbers[-1] == str(pid) and self.leader in _parents(int(path.parent.name)):
                    return int(path.parent.name)
        raise NotReady(f"{self.name}: no process {pid}")

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start a command inside and leave it running."""
        return subprocess.Popen(
            [*self._enter(), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=_ENVIRONMENT,
        )

    def _enter(self) -> list[str]:
        kinds = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
        return ["nsenter", f"--target={self.leader}", *kinds, "--root", "--wd", "--", *_AMONG_SERVICES]

    def wait(self, what: str, look: Callable[[], _T | None], seconds: float = PATIENCE) -> _T:
        """Look again and again until look() answers with something true.

        Raises:
            NotReady: it did not in time; with the journal.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = look()
            if found:
                return found
            time.sleep(0.3)
        raise NotReady(f"{self.name}: {what} did not come within {seconds:.0f} s:\n{self.journal()}")

    def reboot(self) -> None:
        """Have it reboot itself, and boot again."""
        assert self.process is not None
        self.try_run("systemctl", "reboot")
        code = self.process.wait(PATIENCE)
        if code != _REBOOT:
            raise NotReady(f"{self.name} ended with {code} instead of a reboot:\n{self.console()}")
        self.boot()

    def stop(self) -> None:
        """Shut it down in order; a system that does not end is killed."""
        if self.process is None or self.process.poll() is not None:
            return
        os.kill(self.leader, signal.SIGRTMIN + 4)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def journal(self, *options: str) -> str:
        """Return the end of the journal, or of the console where there is no journal yet."""
        if self.leader and self.process is not None and self.process.poll() is None:
            words = ("journalctl", "--no-pager", "-o", "short-precise", "-n", "150", *options)
            done = self.try_run(*words)
            if done.returncode == 0:
                return done.stdout
        return self.console()

    def console(self) -> str:
        """Return the end of what it printed while booting."""
        try:
            return (self.folder / "console").read_text(errors="replace")[-4000:]
        except FileNotFoundError:
            return ""


def _parents(pid: int) -> set[int]:
    found: set[int] = set()
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return found
        found.add(pid)
    return found

"""A test host on this machine: its own rsyslogd and sshd on loopback, with users that exist only there.

It shares network and pids with the machine, so an agent outside sees its processes under their own pids, and
it lives in a mount namespace: /etc, /home, /run, /dev and /var/log are its own, so nothing of it is left when
it stops. Logs and homes are folders of the caller. Needs root.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

_START_SECONDS = 20.0
_SETUP = r"""
set -e
cd "$1"
mount -t tmpfs -o mode=755 own own
mkdir own/upper own/work own/dev
mount -t overlay overlay -o lowerdir=/etc,upperdir=own/upper,workdir=own/work /etc
mount --bind home /home
for device in null zero full random urandom tty; do
    touch own/dev/$device
    mount --bind /dev/$device own/dev/$device
done
mkdir own/dev/pts own/dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts own/dev/pts
ln -s pts/ptmx own/dev/ptmx
ln -s /proc/self/fd own/dev/fd
ln -s /var/log/syslog.sock own/dev/log
mount --rbind own/dev /dev
mount --bind log /var/log
mount -t tmpfs -o mode=755 run /run
mkdir /run/sshd
touch /run/utmp
touch /etc/default/locale /etc/environment
rsyslogd -n -iNONE -f "$1/rsyslog.conf" &
echo $! > "$1/rsyslogd.pid"
exec /usr/sbin/sshd -D -f "$1/sshd_config"
"""
_RSYSLOG = """
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="/var/log/syslog.sock" RateLimit.Interval="0")
{template}
auth,authpriv.* /var/log/auth.log
"""
_TEMPLATES = {
    "traditional": "$ActionFileDefaultTemplate RSYSLOG_TraditionalFileFormat",
    "rfc3339": "$ActionFileDefaultTemplate RSYSLOG_FileFormat",
}
_SSHD = """
Port {port}
ListenAddress {address}
HostKey {folder}/host_key
PidFile none
UsePAM yes
UseDNS no
PasswordAuthentication yes
KbdInteractiveAuthentication no
PermitRootLogin no
PrintMotd no
Subsystem sftp internal-sftp
"""


class PrivateHost:
    """The host, from `with` to the end of its block.

    `logs` holds auth.log, wtmp and btmp, `syslog` is the syslog daemon's socket, `homes` the users' homes,
    all as seen from outside.
    """

    def __init__(self, folder: Path, *, stamps: str = "traditional", address: str = "127.0.0.1") -> None:
        self.folder = folder.resolve()
        self.address = address
        self.logs = self.folder / "log"
        self.homes = self.folder / "home"
        self.syslog = self.logs / "syslog.sock"
        self.port = _free_port(address)
        self._stamps = stamps
        self._process: subprocess.Popen[bytes] | None = None
        self._namespace: str | None = None

    def __enter__(self) -> Self:
        """Start both daemons and wait until sshd answers.

        Raises:
            RuntimeError: a daemon did not start; its output stands in the message.
        """
        for name in ("own", "log", "home"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for name in ("wtmp", "btmp"):
            (self.logs / name).touch(mode=0o600)
        (self.folder / "rsyslog.conf").write_text(_RSYSLOG.format(template=_TEMPLATES[self._stamps]))
        settings = _SSHD.format(port=self.port, address=self.address, folder=self.folder)
        (self.folder / "sshd_config").write_text(settings)
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / "host_key"))
        with (self.folder / "output").open("wb") as output:
            command = ["unshare", "--mount", "--propagation", "private", "bash", "-c", _SETUP, "host"]
            self._process = subprocess.Popen(
                [*command, str(self.folder)], stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        try:
            self._wait_for_sshd(self._process)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop both daemons and every process left in the host."""
        self.stop()

    @property
    def pid(self) -> int:
        """The process whose mount namespace is the host's.

        Raises:
            RuntimeError: the host is not running.
        """
        if self._process is None:
            raise RuntimeError("the test host is not running")
        return self._process.pid

    def add_user(self, name: str, password: str, sudo: str | None = None) -> Path:
        """Create a user with a key pair; return the private key. sudo is what sudoers grants, if anything."""
        self.run("useradd", "--create-home", "--shell", "/bin/bash", name)
        self.run("chpasswd", stdin=f"{name}:{password}")
        if sudo is not None:
            rule = self.folder / f"sudoers-{name}"
            rule.write_text(f"{name} ALL=(ALL:ALL) {sudo}\n")
            self.run("install", "-m", "440", str(rule), f"/etc/sudoers.d/{name}")
        key = self.folder / f"{name}.key"
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key))
        self.run("install", "-d", "-o", name, "-m", "700", f"/home/{name}/.ssh")
        public = str(key.with_suffix(".key.pub"))
        self.run("install", "-o", name, "-m", "600", public, f"/home/{name}/.ssh/authorized_keys")
        return key

    def run(self, *command: str, stdin: str = "") -> str:
        """Run a command inside as root; return its output.

        Raises:
            subprocess.CalledProcessError: the command failed.
        """
        return _run("nsenter", "--mount", "--target", str(self.pid), *command, stdin=stdin)

    def ssh(
        self,
        user: str,
        *command: str,
        key: Path | None = None,
        password: str | None = None,
        stdin: str = "",
        options: tuple[str, ...] = (),
    ) -> subprocess.CompletedProcess[str]:
        """Log in with key or password and run command."""
        arguments, environment = self.ssh_command(user, key=key, password=password, options=options)
        return subprocess.run(
            [*arguments, *command],
            input=stdin,
            env=environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            start_new_session=True,
        )

    def ssh_command(
        self,
        user: str,
        *,
        key: Path | None = None,
        password: str | None = None,
        options: tuple[str, ...] = (),
    ) -> tuple[list[str], dict[str, str]]:
        """Return the ssh command line and environment of a login, to which a command may be appended."""
        arguments = ["ssh", "-F", "/dev/null", "-p", str(self.port), "-l", user, *options]
        settings = {
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "IdentitiesOnly": "yes",
            "IdentityFile": str(key) if key else "none",
            "NumberOfPasswordPrompts": "1",
            "PreferredAuthentications": "publickey" if password is None else "password",
        }
        for name, value in settings.items():
            arguments += ["-o", f"{name}={value}"]
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.folder)}
        if password is not None:
            environment |= self._askpass(password)
        return [*arguments, self.address], environment

    def rotate(self) -> None:
        """Rotate auth.log as logrotate does: rename, then tell rsyslogd to open its files anew."""
        log = self.logs / "auth.log"
        log.rename(self.logs / "auth.log.1")
        os.kill(int((self.folder / "rsyslogd.pid").read_text()), signal.SIGHUP)

    def stop(self) -> None:
        """End what runs in the host's mount namespace: sshd, rsyslogd and every session."""
        if self._process is None:
            return
        for pid in self._inside():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        self._process = None

    def _inside(self) -> list[int]:
        """Return the processes whose mount namespace is the host's; none while it is still the machine's."""
        if self._namespace is None or self._namespace == _mount_namespace("self"):
            return []
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and _mount_namespace(entry.name) == self._namespace:
                    found.append(int(entry.name))
        return found

    def _wait_for_sshd(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError):
                self._namespace = _mount_namespace(str(process.pid))
                with socket.create_connection((self.address, self.port), timeout=1) as probe:
                    if probe.recv(4) == b"SSH-" and self.syslog.is_socket():
                        return
            time.sleep(0.05)
        output = (self.folder / "output").read_text(errors="replace")
        raise RuntimeError(f"the test host in {self.folder} did not start: {output or 'no output'}")

    def _askpass(self, password: str) -> dict[str, str]:
        """Hand ssh the password without a terminal and without showing it in a command line."""
        secret, script = self.folder / "password", self.folder / "askpass"
        secret.touch(mode=0o600)
        secret.write_text(password)
        script.write_text(f'#!/bin/sh\nexec cat "{secret}"\n')
        script.chmod(0o700)
        return {"SSH_ASKPASS": str(script), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":0"}


def _run(*command: str, stdin: str = "") -> str:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=True, timeout=30)
    return done.stdout


def _mount_namespace(pid: str) -> str:
    return str(Path("/proc", pid, "ns", "mnt").readlink())


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])

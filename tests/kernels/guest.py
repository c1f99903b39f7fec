"""Run tests of the kernel rungs in a guest with another kernel: Debian's cloud kernel, emulated by qemu.

usage: guest.py [TEST ...]. Needs root for apt-get where a package is missing. Exits as pytest does.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.kernels import image

KERNEL = "linux-image-cloud-amd64"
TESTS = (
    "tests/system/test_process_real.py",
    "tests/system/test_exec_real.py",
    "tests/system/test_filters_real.py",
    "tests/system/test_connection_real.py",
    "tests/system/test_connection_owner.py",
    "tests/system/test_datagram_real.py",
    "tests/system/test_dns_real.py",
    "tests/system/test_ring_real.py",
    "tests/system/test_acts.py",
)
MEMORY = "2G"
_PACKAGES = {"qemu-system-x86_64": "qemu-system-x86", "busybox": "busybox-static"}
_INIT = """#!/bin/busybox sh
b=/bin/busybox
export PATH=/bin:/usr/bin HOME=/root PYTHONPATH={root} PYTHONDONTWRITEBYTECODE=1
for name in mount mkdir ls cat cp echo ip ifconfig id kill ps unshare chroot pivot_root; do
  $b ln -sf busybox /bin/$name
done
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
$b mkdir -p /dev/pts /dev/shm
$b mount -t devpts pts /dev/pts
$b mount -t securityfs security /sys/kernel/security
$b mount -t cgroup2 cgroup /sys/fs/cgroup
$b mount -t bpf bpf /sys/fs/bpf
$b mount -t tracefs trace /sys/kernel/tracing
$b mount -t tmpfs tmp /tmp
$b ifconfig lo 127.0.0.1 up
echo "kernel $($b uname -r), security modules $($b cat /sys/kernel/security/lsm)"
cd {root}
{python} -m pytest -p no:cacheprovider -p no:xdist -o addopts= -rs --timeout=600 {tests}
echo "guest: exit $?"
$b poweroff -f
"""
_EXIT = re.compile(r"guest: exit (\d+)")


def main() -> int:
    _install()
    with tempfile.TemporaryDirectory(prefix="vedette-guest-", dir="/var/tmp") as name:
        folder = Path(name)
        kernel = _kernel(folder)
        init = _INIT.format(
            root=image.ROOT, python=sys.executable, tests=" ".join(sys.argv[1:] or _present(TESTS))
        )
        with (folder / "initramfs").open("wb") as stream:
            image.write(stream, init.encode())
        return _boot(kernel, folder / "initramfs")


def _present(tests: tuple[str, ...]) -> list[str]:
    return [test for test in tests if (image.ROOT / test).exists()]


def _install() -> None:
    missing = [package for program, package in _PACKAGES.items() if shutil.which(program) is None]
    if missing:
        subprocess.run(["apt-get", "install", "-y", "-q", *missing], check=True)


def _kernel(folder: Path) -> Path:
    """Return a kernel from Debian's archive; nothing of it is installed here."""
    shown = subprocess.run(["apt-cache", "depends", KERNEL], capture_output=True, text=True, check=True)
    package = shown.stdout.partition("Depends: ")[2].split()[0]
    subprocess.run(["apt-get", "download", "-q", package], cwd=folder, check=True)
    (archive,) = folder.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", archive, folder / "kernel"], check=True)
    return next((folder / "kernel/boot").glob("vmlinuz-*"))


def _boot(kernel: Path, initramfs: Path) -> int:
    """Boot, show what the guest prints, and return its exit code; 1 where it ended without one."""
    command = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", MEMORY]
    command += ["-nographic", "-no-reboot", "-nic", "none", "-kernel", str(kernel), "-initrd", str(initramfs)]
    command += ["-append", "console=ttyS0 quiet panic=-1 lsm=landlock,lockdown,yama,apparmor,bpf"]
    code = 1
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as guest:
        assert guest.stdout is not None
        for line in guest.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            found = _EXIT.search(line)
            code = int(found[1]) if found else code
    return code


if __name__ == "__main__":
    sys.exit(main())

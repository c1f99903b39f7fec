"""What a test host is made of: an overlay of the machine's own root, some files and folders its own."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
_HIDDEN = {
    "etc/vedette": 0o755,
    "etc/sudoers.d": 0o750,
    "home": 0o755,
    "opt": 0o755,
    "root": 0o700,
    "srv": 0o755,
    "tmp": 0o1777,
    "var/lib/vedette": 0o755,
    "var/log": 0o755,
    "var/spool/cron": 0o755,
    "var/tmp": 0o1777,
}
"""The machine's own content of these folders is not seen on a test host."""

SCRIPT = r"""
set -e
cd "$1"
shift
fallback=lowerdir=/,upperdir=upper,workdir=work
mount -t overlay overlay -o $fallback,index=on,nfs_export=on root 2>/dev/null ||
    mount -t overlay overlay -o $fallback root
for path in "$@"; do
    mkdir -p "root$path"
    mount --rbind "$path" "root$path"
done
mount -t tmpfs -o mode=755 dev root/dev
for device in null zero full random urandom tty; do
    touch root/dev/$device
    mount --bind /dev/$device root/dev/$device
done
mkdir root/dev/pts root/dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts root/dev/pts
mount -t tmpfs -o mode=1777 shm root/dev/shm
ln -s pts/ptmx root/dev/ptmx
ln -s /proc/self/fd root/dev/fd
ln -s fd/0 root/dev/stdin
ln -s fd/1 root/dev/stdout
ln -s fd/2 root/dev/stderr
mount --rbind /sys root/sys
mount -t bpf bpf root/sys/fs/bpf
mount -t tmpfs -o mode=755 run root/run
mount -t proc proc root/proc
cd root
pivot_root . mnt
cd /
umount -l /mnt
mkdir /run/sshd /run/vedette /run/sudo
touch /run/utmp
hostname "$(cat /etc/hostname)"
ip link set lo up
rsyslogd -n -iNONE &
command -v cron > /dev/null && cron -f &
exec /usr/sbin/sshd -D
"""
"""The first process of a host: $1 is its folder, the rest are paths that are seen as they are outside."""

_RSYSLOG = """\
module(load="imuxsock" SysSock.RateLimit.Interval="0")
$ActionFileDefaultTemplate RSYSLOG_FileFormat
auth,authpriv.* /var/log/auth.log
*.*;auth,authpriv.none /var/log/syslog
"""
_SSHD = """\
HostKey /etc/ssh/range_host_key
PidFile none
UsePAM yes
UseDNS no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
PrintMotd no
MaxStartups 100
Subsystem sftp {sftp}
"""
_SFTP_SERVERS = ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server")
_SSH = """\
Host *
    StrictHostKeyChecking no
    UserKnownHostsFile /dev/null
    LogLevel ERROR
"""


def shared() -> list[str]:
    """Return the folders of this program and its Python that a host sees as they are outside."""
    found = {str(Path(path).resolve()) for path in (SOURCE, sys.prefix, sys.base_prefix)}
    return sorted(found - {"/usr"})  # which is seen anyway


def _sftp_server() -> str:
    """Return the server that distributions use; sshd's own where there is none."""
    return next((path for path in _SFTP_SERVERS if Path(path).exists()), "internal-sftp")


def furnish(folder: Path, name: str, names: dict[str, str]) -> None:
    """Make a host's folders and write what is its own; names maps addresses to names for /etc/hosts."""
    for part in ("upper", "work", "root"):
        (folder / part).mkdir(parents=True)
    upper = folder / "upper"
    for path, mode in _HIDDEN.items():
        (upper / path).mkdir(parents=True)
        (upper / path).chmod(mode)
        os.setxattr(upper / path, "trusted.overlay.opaque", b"y")
    hosts = "".join(f"{address} {known}\n" for address, known in names.items())
    files = {
        "etc/machine-id": hashlib.sha256(f"range {name}".encode()).hexdigest()[:32] + "\n",
        "etc/hostname": f"{name}\n",
        "etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {name}\n{hosts}",
        "etc/environment": "",
        "etc/default/locale": "",
        "etc/rsyslog.conf": _RSYSLOG,
        "etc/ssh/sshd_config": _SSHD.format(sftp=_sftp_server()),
        "etc/ssh/ssh_config": _SSH,
        **dict.fromkeys(("var/log/wtmp", "var/log/btmp", "var/log/lastlog", "var/log/auth.log"), ""),
    }
    for path, text in files.items():
        (upper / path).parent.mkdir(parents=True, exist_ok=True)
        (upper / path).write_text(text)
    (upper / "var/log/btmp").chmod(0o600)

"""What `doctor` looks at: one function a check, each answering with what it found and what would fix it."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import time
import urllib.parse
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from ..errors import AgentError
from ..layout import Layout
from ..settings import Settings
from ..shipping import certificate_life
from ..spool import inbox
from ..spool.disk import LocalDisk
from . import status

FINE, WARNING, BAD = "fine", "warning", "bad"
_AUDIT_FAILURE = ("silent", "printk", "panic")
_NETLINK_AUDIT = 9
_AUDIT_GET = 1000
_REQUEST_ACK = 5
_HEADER = struct.Struct("=IHHII")
_STATUS = struct.Struct("=4I")
_DAY = 86_400
_SKEW = 60
_AUDIT_SOCKET_UNIT = "systemd-journald-audit.socket"
CAPABILITIES = {
    39: ("CAP_BPF", "processes and connections from the kernel"),
    38: ("CAP_PERFMON", "processes and connections from the kernel"),
    21: ("CAP_SYS_ADMIN", "file changes and reads with their author"),
    2: ("CAP_DAC_READ_SEARCH", "files and processes of all users"),
    19: ("CAP_SYS_PTRACE", "what other users' processes run"),
    12: ("CAP_NET_ADMIN", "the process connector and connection bytes"),
}


class Finding(msgspec.Struct, frozen=True):
    """One check's answer; level is ``fine``, ``warning`` or ``bad``, fix the command that would help."""

    check: str
    level: str
    found: str
    fix: str | None = None


def examine(settings: Settings, config: Path) -> list[Finding]:
    """Run every check; one that fails itself is a finding too."""
    checks: tuple[Callable[[], Iterable[Finding]], ...] = (
        _kernel,
        _capabilities,
        _audit,
        _journald_audit,
        lambda: _clock(settings),
        lambda: _disk(settings),
        lambda: _permissions(settings, config),
        lambda: _certificate(settings),
        lambda: _collector(settings),
        lambda: _policy(settings),
    )
    findings: list[Finding] = []
    for check in checks:
        try:
            findings += check()
        except (OSError, ValueError) as error:
            findings.append(Finding("doctor", WARNING, f"a check could not be made: {error}"))
    return findings


def _kernel() -> Iterable[Finding]:
    yield Finding("kernel", FINE, f"Linux {os.uname().release}, {os.uname().machine}")
    btf = Path("/sys/kernel/btf/vmlinux").exists()
    if btf:
        yield Finding("btf", FINE, "the kernel describes its types (needed by the bpf rungs)")
    else:
        found = "no /sys/kernel/btf/vmlinux: the next rungs are used"
        yield Finding("btf", WARNING, found, "use a kernel with BTF")
    if not Path("/proc/sys/kernel/random/boot_id").exists():
        yield Finding("proc", BAD, "/proc is not mounted in full", "mount -t proc proc /proc")


def _capabilities() -> Iterable[Finding]:
    line = next(
        one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("CapEff:")
    )
    held = int(line.split()[1], 16)
    for bit, (name, use) in CAPABILITIES.items():
        if not held >> bit & 1:
            yield Finding("capability", WARNING, f"{name} is missing: {use} are degraded", "run as root")


def _audit() -> Iterable[Finding]:
    """Report the audit subsystem's failure mode: 2 would panic the host when audit is in trouble (R11)."""
    found = _audit_status()
    if found is None:
        yield Finding("audit", FINE, "the audit subsystem does not answer here; nothing of it is used")
        return
    enabled, failure = found
    name = _AUDIT_FAILURE[failure] if failure < len(_AUDIT_FAILURE) else str(failure)
    if failure == len(_AUDIT_FAILURE) - 1:
        yield Finding("audit", BAD, "failure mode 2: a full audit queue panics this host", "auditctl -f 1")
    else:
        yield Finding("audit", FINE, f"enabled {enabled}, failure mode {failure} ({name})")


def _audit_status() -> tuple[int, int] | None:
    """Ask the kernel (AUDIT_GET, linux/audit.h); return (enabled, failure), None where it does not answer."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_AUDIT) as sock:
            sock.settimeout(1.0)
            sock.send(_HEADER.pack(_HEADER.size, _AUDIT_GET, _REQUEST_ACK, 1, 0))
            for _ in range(4):
                reply = sock.recv(8192)
                if len(reply) >= _HEADER.size + _STATUS.size and _HEADER.unpack_from(reply)[1] == _AUDIT_GET:
                    _, enabled, failure, _ = _STATUS.unpack_from(reply, _HEADER.size)
                    return enabled, failure
    except OSError:
        return None
    return None


def _journald_audit() -> Iterable[Finding]:
    """Report journald's audit socket: it doubles every audit record (R13)."""
    unit = Path("/run/systemd/units") / f"invocation:{_AUDIT_SOCKET_UNIT}"
    wanted = Path("/etc/systemd/system/sockets.target.wants") / _AUDIT_SOCKET_UNIT
    if unit.is_symlink() or wanted.exists():
        yield Finding(
            "journald",
            WARNING,
            f"{_AUDIT_SOCKET_UNIT} is active: each audit record is kept twice",
            f"systemctl mask --now {_AUDIT_SOCKET_UNIT}",
        )
    else:
        yield Finding("journald", FINE, "journald does not read the audit stream")


def _clock(settings: Settings) -> Iterable[Finding]:
    state = inbox.read_state(LocalDisk(), Layout(settings.state).inbox)
    if _unsynchronised():
        yield Finding(
            "clock", WARNING, "the kernel calls the clock unsynchronised", "timedatectl set-ntp true"
        )
    if state is None or state.clock_offset is None:
        yield Finding("clock", FINE, "not yet compared with the collector's")
    elif abs(state.clock_offset) > _SKEW * 10**9:
        seconds = state.clock_offset / 1e9
        yield Finding(
            "clock", WARNING, f"{seconds:+.0f} s to the collector's clock", "timedatectl set-ntp true"
        )
    else:
        yield Finding("clock", FINE, f"{state.clock_offset / 1e9:+.1f} s to the collector's clock")


def _unsynchronised() -> bool:
    """Ask adjtimex(2); TIME_ERROR (5) means unsynchronised."""
    buffer = ctypes.create_string_buffer(256)
    state: int = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    return state == 5  # noqa: PLR2004 - named above


def _disk(settings: Settings) -> Iterable[Finding]:
    folder = next(one for one in (settings.state, *settings.state.parents) if one.exists())
    free = LocalDisk().free(folder)
    floor = settings.spool.free_floor_bytes
    said = f"{free >> 20} MiB free in {folder}, {floor >> 20} MiB are left to others"
    if free < floor:
        fix = "free some space, or lower [spool] free_floor_bytes"
        yield Finding("disk", BAD, f"{said}: the spool gives data up", fix)
    else:
        yield Finding("disk", FINE, said)


def _permissions(settings: Settings, config: Path) -> Iterable[Finding]:
    places = Layout(settings.state)
    if not places.identity.exists():
        yield Finding("identity", BAD, "not enrolled", "vedette-agent enroll --token-file FILE")
    for path, forbidden in (
        (places.signing_key, 0o077),
        (places.identity, 0o077),
        (places.watch, 0o077),
        (places.certificate, 0o077),
        (places.spool_key, 0o027),
        (config, 0o022),
    ):
        try:
            mode = path.stat().st_mode & 0o777
        except OSError:
            continue
        if mode & forbidden:
            fix = f"chmod {mode & ~forbidden:o} {path}"
            yield Finding("permissions", BAD, f"{path} has mode {mode:o}", fix)


def _certificate(settings: Settings) -> Iterable[Finding]:
    path = Layout(settings.state).certificate
    try:
        ends = certificate_life.life(path).ends
    except FileNotFoundError:
        return
    left = (ends - time.time()) / _DAY
    said = f"the client certificate is valid until {certificate_life.utc(ends)}"
    if left <= 0:
        yield Finding(
            "certificate", BAD, f"{said}: expired", "vedette-agent status (why does ship not renew it?)"
        )
    elif left <= 1:
        yield Finding("certificate", WARNING, said, "vedette-agent status (why does ship not renew it?)")
    else:
        yield Finding("certificate", FINE, said)


def _policy(settings: Settings) -> Iterable[Finding]:
    """Report the fleet's policy, as watch told it last."""
    try:
        found = status.read(settings.runtime).policy
    except AgentError:
        return
    if found is not None and found.refused is not None:
        yield Finding("policy", WARNING, f"refused: {found.refused}", "vedette-collector policy show HOST")
    if found is not None and found.name is not None:
        ended = found.state == "ended"
        level, fix = (WARNING, "sign and roll out a new version") if ended else (FINE, None)
        yield Finding("policy", level, f"{found.name} version {found.version}: {found.state}", fix)


def _collector(settings: Settings) -> Iterable[Finding]:
    for name, url in (("ingest", settings.collector.ingest), ("enrol", settings.collector.enrol)):
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "https" or not parts.hostname:
            yield Finding(
                "collector", BAD, f"[collector] {name}: {url!r} is no https:// address", "correct it"
            )
            continue
        began = time.monotonic()
        try:
            socket.create_connection((parts.hostname, parts.port or 443), timeout=5.0).close()
        except OSError as error:
            fix = f"nc -vz {parts.hostname} {parts.port or 443}"
            yield Finding("collector", BAD, f"{name} {url}: {error}", fix)
        else:
            yield Finding(
                "collector", FINE, f"{name} {url} answers in {(time.monotonic() - began) * 1e3:.0f} ms"
            )

"""The agent's settings: one frozen record; settings_file.py reads it from TOML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

Positive = Annotated[int, msgspec.Meta(gt=0)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A section refuses keys it does not know, so that a typing error is not a silent default."""


class Collector(_Section, frozen=True):
    """Where to ship to, and where to enrol."""

    ingest: str = "https://127.0.0.1:7443"
    enrol: str = "https://127.0.0.1:7444"
    timeout: Seconds = 20.0


class Spool(_Section, frozen=True):
    """Bounds of the spool: its own bytes, and the free bytes it leaves on the disk."""

    max_bytes: Positive = 512 << 20
    free_floor_bytes: Positive = 256 << 20
    segment_bytes: Positive = 4 << 20


class Batch(_Section, frozen=True):
    """When a lane's batch is sealed: by age in seconds or by size."""

    priority_age: Seconds = 1.0
    bulk_age: Seconds = 2.0
    max_events: Positive = 8000
    max_bytes: Positive = 1 << 20
    queue_events: Positive = 100_000
    queue_bytes: Positive = 64 << 20
    session_quota: Positive = 500
    """Execs and connections of one interactive session that ride priority, per minute."""


Uid = Annotated[int, msgspec.Meta(gt=0, lt=0xFFFFFFFF)]


class Ignore(_Section, frozen=True):
    """What a sensor leaves out in the kernel, and counts: nothing, but of what an operator names.

    Nothing of a login session is left out, and nothing of root by its uid.
    """

    programs: Annotated[tuple[str, ...], msgspec.Meta(max_length=16)] = ()
    """Paths or patterns of programs that only root can change, taken as they are when the agent starts."""
    uids: Annotated[tuple[tuple[Uid, Uid], ...], msgspec.Meta(max_length=8)] = ()
    """Ranges, as [[1000, 1999]]: whose real and effective uid both lie in one of them."""

    def __post_init__(self) -> None:
        """Refuse what can stand for nothing.

        Raises:
            ValueError: a path is not absolute, or the first uid of a range is beyond the last.
        """
        for path in self.programs:
            if not path.startswith("/"):
                raise ValueError(f"{path} in programs is no absolute path: begin it with /")
        for first, last in self.uids:
            if first > last:
                raise ValueError(f"no uid lies in [{first}, {last}]: write the lower one first")


class Process(_Section, frozen=True):
    """The process sensor."""

    rung: str = "auto"
    ignore: Ignore = Ignore()
    table: Positive = 65_536
    environment: tuple[str, ...] = (
        "LD_*",
        "SSH_CONNECTION",
        "SUDO_USER",
    )
    """Names of variables that are kept of a program's environment; a star at the end stands for any end."""
    parent_commands: bool = False
    """Whether an exec tells its parent's command line too, for rules that look at it; it costs bytes."""
    ring_mib: Literal[1, 2, 4, 8, 16, 32, 64, 128] = 32
    """Of kernel memory, for what waits to be read: 100,000 execs and ends take up to 15, and a ring half full
    counts as a flood. Lower it where memory is short."""


class Connection(_Section, frozen=True):
    """The connection sensor; report_bytes is the first size at which an open flow reports, then ten-fold."""

    rung: str = "auto"
    ignore: Ignore = Ignore()
    report_seconds: Seconds = 60.0
    report_bytes: Positive = 1_000_000


class Datagram(_Section, frozen=True):
    """The datagram sensor; its flows report as those of [connection] do."""

    rung: str = "auto"
    ignore: Ignore = Ignore()


Port = Annotated[int, msgspec.Meta(gt=0, lt=65_536)]
Ports = Annotated[tuple[Port, ...], msgspec.Meta(max_length=4)]


class Dns(_Section, frozen=True):
    """The DNS sensor: the ports where questions go, and where TLS clients say whom they want."""

    rung: str = "auto"
    ignore: Ignore = Ignore()
    ports: Ports = (53,)
    tls_ports: Ports = (443,)
    """A client's own word names a connection's peer where no DNS answer did; empty to leave it out."""
    questions_per_minute: Positive = 1000
    """Different questions of one process told each minute: a busy resolver must not fill the lanes."""


class Login(_Section, frozen=True):
    """The login sensor: the first of logs that exist are followed; the journal where none does."""

    rung: str = "auto"
    logs: tuple[str, ...] = ("/var/log/auth.log", "/var/log/secure")
    syslog: str = "/dev/log"
    """The syslog daemon's socket, through which the sensor sends itself a line to see that the log lives."""
    wtmp: str = "/var/log/wtmp"
    btmp: str = "/var/log/btmp"


class Logs(_Section, frozen=True):
    """The logs sensor: files whose every line is told, redacted, for rules that look into log messages."""

    rung: str = "auto"
    files: Annotated[tuple[str, ...], msgspec.Meta(max_length=64)] = ()
    """Such as ["/var/log/auth.log", "/var/log/syslog"]; none by default, for every line costs bytes."""
    line_characters: Annotated[int, msgspec.Meta(ge=256, le=8192)] = 2048
    """What is kept of a line; of a longer one the rest is cut, and the event says so."""

    def __post_init__(self) -> None:
        """Refuse names that could mean another file tomorrow.

        Raises:
            ValueError: a path is not absolute.
        """
        for path in self.files:
            if not path.startswith("/"):
                raise ValueError(f"{path} in files is no absolute path: begin it with /")


class File(_Section, frozen=True):
    """The file sensor: trees whose changes are seen, and sensitive paths whose reads are seen."""

    rung: str = "auto"
    trees: tuple[str, ...] = (
        "/etc",
        "/usr/bin",
        "/usr/sbin",
        "/usr/local/bin",
        "/usr/local/sbin",
        "/root/.ssh",
        "/var/spool/cron",
    )
    """What starts, lets in or runs by itself; the last tells who wrote a crontab or an at job."""
    exclude: tuple[str, ...] = ("/etc/mtab",)
    sensitive: tuple[str, ...] = (
        "/etc/shadow",
        "/etc/gshadow",
        "/etc/ssh/ssh_host_*_key",
        "/root/.ssh/id_*",
        "/home/*/.ssh/id_*",
    )
    decoys: tuple[str, ...] = ()
    """Files nobody has a reason to open (canaries), by path or pattern: none, for only you know where."""
    dpkg: str = "/var/lib/dpkg"
    """dpkg's database, by which changes are explained; where there is none, rpm is asked."""
    hash_limit_bytes: Positive = 100 << 20
    """A larger file is watched without its hash: reading it at each change would cost more than it tells."""
    scan_bytes_per_s: Positive = 20 << 20
    """Half of what the smallest cloud disks give (40 MB/s), so that a scan never takes a disk for itself."""
    scan_files_per_s: Positive = 2000
    """Small files cost the disk a seek each, which the bytes do not show."""
    scan_cpu_share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.2
    """Of one core: a scan of the whole host is never urgent, what runs there is."""
    scan_pressure: Annotated[float, msgspec.Meta(gt=0, le=100)] = 50.0
    """Percent of the last ten seconds in which somebody waited for CPU or disk: above it a scan creeps."""
    read_window: Seconds = 60.0
    """How often further reads of sensitive files are told; the first of a process is told at once."""


class HostState(_Section, frozen=True):
    """The sensor of the host's state and its inventory; `state` is the name of the agent's own folder."""

    rung: str = "auto"
    root: str = "/"
    """Where the host's files are found: another folder where the host is mounted into a container."""
    poll_seconds: Annotated[float, msgspec.Meta(ge=60)] = 300.0
    """All is read again this often, for what no notice told of; the only look where there is no inotify."""
    inventory_seconds: Annotated[float, msgspec.Meta(ge=600)] = 86_400.0
    """The inventory is sent again this often, so that one that expired at the collector is not missed."""


class Acts(_Section, frozen=True):
    """Security-relevant acts that no exec and no connection shows."""

    syscalls: bool = False
    """Whether hooks on system calls may serve where nothing better loads: they slow every call here."""
    sockets: tuple[str, ...] = (
        "/run/docker.sock",
        "/run/containerd/containerd.sock",
        "/run/crio/crio.sock",
        "/run/podman/podman.sock",
        "/run/libvirt/libvirt-sock",
    )
    """Sockets that give power over the host: connections to any socket of these names are told."""


class Governor(_Section, frozen=True):
    """When watch sheds bulk events, by count: never priority ones."""

    cpu_share: Annotated[float, msgspec.Meta(gt=0, le=64)] = 0.5
    """Of one core, over ten seconds: a storm of execs on two cores costs less. Where the unit has a CPUQuota,
    four fifths of that are the most."""


class Redaction(_Section, frozen=True):
    """Further patterns whose values never leave the host, besides the built-in ones."""

    flags: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()


PolicyKey = Annotated[str, msgspec.Meta(pattern=r"^(vpk1\.[0-9a-f]{64})?\Z")]


class Policy(_Section, frozen=True):
    """The fleet's policy: settings signed by a key that the collector has not. It cannot touch these."""

    accept: bool = True
    """Whether a policy may hold here; without it the settings of this host's files do."""
    key: PolicyKey = ""
    """The public key, as `vedette-collector policy key new` prints it; it goes before the one pinned."""
    labels: dict[str, str] = {}
    """What policies select hosts by, in place of the labels that came with the enrolment."""
    fetch_seconds: Annotated[float, msgspec.Meta(ge=1, le=86_400)] = 60.0
    """How often ship asks the collector for one."""


class Settings(_Section, frozen=True):
    """All of the agent's settings; the defaults watch a plain server."""

    state: Path = Path("/var/lib/vedette")
    runtime: Path = Path("/run/vedette")
    scope: Literal["host", "namespace"] = "host"
    """namespace: only the pid namespace the agent runs in, those nested in it, and its network namespace."""
    heartbeat: Seconds = 60.0
    collector: Collector = Collector()
    spool: Spool = Spool()
    batch: Batch = Batch()
    process: Process = Process()
    connection: Connection = Connection()
    datagram: Datagram = Datagram()
    dns: Dns = Dns()
    login: Login = Login()
    logs: Logs = Logs()
    file: File = File()
    host_state: HostState = HostState()
    acts: Acts = Acts()
    governor: Governor = Governor()
    redaction: Redaction = Redaction()
    policy: Policy = Policy()

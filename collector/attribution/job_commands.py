"""Command lines and tables that start something elsewhere: what is to run, as whom, where. Pure.

Syntax: docker-exec(1), podman-exec(1), crictl, ctr, systemd-run(1), crontab(5), at(1).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

ARGUMENTS = 64
"""Arguments of a command that are kept and compared."""

_RUNTIMES = frozenset({"docker", "podman", "nerdctl", "crictl", "ctr", "docker-compose"})
_GROUPS = frozenset({"container", "compose", "t", "task", "tasks"})
_VALUED = {
    "runtime": frozenset(
        {"-c", "--context", "--config", "-H", "--host", "-l", "--log-level", "--tlscacert", "--tlscert"}
        | {"--tlskey", "-n", "--namespace", "-a", "--address", "-r", "--runtime-endpoint", "--root"}
        | {"--url", "--connection", "--timeout", "-f", "--file", "-p", "--project-name", "--snapshotter"}
    ),
    "exec": frozenset(
        {"-e", "--env", "--env-file", "-u", "--user", "-w", "--workdir", "--detach-keys", "--index"}
        | {"--exec-id", "--cwd", "--preserve-fds", "--timeout", "--log-uri", "--fifo-dir"}
    ),
    "systemd-run": frozenset(
        {"-u", "--unit", "-p", "--property", "--slice", "--description", "--uid", "--gid", "--nice"}
        | {"--working-directory", "-E", "--setenv", "-H", "--host", "-M", "--machine", "--service-type"}
        | {"--on-active", "--on-boot", "--on-startup", "--on-unit-active", "--on-unit-inactive"}
        | {"--on-calendar", "--timer-property", "--path-property", "--socket-property"}
    ),
}
"""Options that take a value in the next argument."""
_KEPT_BY_SESSION = frozenset({"--scope", "--user"})
"""What systemd-run starts so keeps, or gets, a login identity of its own."""
_ENVIRONMENT = re.compile(r"\s*[A-Za-z_]\w*\s*=")
_AT_JOB = re.compile(r"[a-zA-Z=][0-9a-fA-F]{5}([0-9a-fA-F]{8})")
_AT_QUERIES = frozenset({"-l", "-r", "-d", "-c", "-V"})
_TIMES = 5
_LINE = 1024


class Started(msgspec.Struct, frozen=True):
    """What a command line starts elsewhere: in a container (its id or name), as a systemd unit, or by atd.

    Without a name systemd gives the unit one that begins with ``run-``. command is its argv; at's is unknown.
    """

    command: tuple[str, ...]
    container: str | None = None
    unit: str | None = None
    by_atd: bool = False


def started(argv: Sequence[str]) -> Started | None:
    """Return what argv starts in a container or as a transient unit; None when it starts neither."""
    name = base_name(argv[0]) if argv else ""
    if name in {"at", "batch"}:
        return Started((), by_atd=True) if _AT_QUERIES.isdisjoint(argv) else None
    if name in _RUNTIMES:
        return _in_container(list(argv[1:]))
    return _as_unit(list(argv[1:])) if name == "systemd-run" else None


def is_same_command(argv: Sequence[str], command: Sequence[str]) -> bool:
    """Return whether argv is the command's, by path or by name, perhaps run by a script's interpreter."""
    size, extra = len(command), len(argv) - len(command)
    if not size or extra not in (0, 1, 2):
        return False
    tail = argv[extra:]
    return base_name(tail[0]) == base_name(command[0]) and tuple(tail[1:]) == tuple(command[1:])


def cron_line(path: str, line: str) -> tuple[str, str] | None:
    """Return the account and the command, in one form, of a line of the table at path; None if it runs none.

    What cron gives the shell ends at the first % that no backslash protects.
    """
    if len(line) > _LINE or _ENVIRONMENT.match(line) or line.lstrip().startswith("#"):
        return None
    fields = line.split()
    del fields[: 1 if fields and fields[0].startswith("@") else _TIMES]
    account = table_account(path)
    if account is None and fields:
        account = fields.pop(0)
    if account is None or not fields:
        return None
    command = re.split(r"(?<!\\)%", " ".join(fields), maxsplit=1)[0]
    return account, one_form(command.replace(r"\%", "%"))


def is_table(path: str) -> bool:
    """Return whether path is one of cron's tables, neither a script nor one of at's jobs."""
    if path.startswith("/var/spool/cron/"):
        return "/at" not in path.removeprefix("/var/spool/cron")
    return path == "/etc/crontab" or path.startswith("/etc/cron.d/")


def table_account(path: str) -> str | None:
    """Return whose table the path is; None for the system's tables, whose lines name the account."""
    return base_name(path) if path.startswith("/var/spool/cron/") else None


def at_due(path: str) -> int | None:
    """Return when the at job kept at path is due, UTC ns; None when it is no such file."""
    named = _AT_JOB.fullmatch(base_name(path))
    return int(named[1], 16) * 60 * 1_000_000_000 if named else None


def one_form(command: str) -> str:
    """Return a command with single blanks."""
    return " ".join(command.split())


def base_name(path: str) -> str:
    """Return the last part of a path."""
    return path.rpartition("/")[2]


def _in_container(rest: list[str]) -> Started | None:
    _skip_options(rest, _VALUED["runtime"])
    while rest and rest[0] in _GROUPS:
        rest.pop(0)
        _skip_options(rest, _VALUED["runtime"])
    if not rest or rest.pop(0) != "exec":
        return None
    _skip_options(rest, _VALUED["exec"])
    return Started(tuple(rest[1 : ARGUMENTS + 1]), container=rest[0]) if len(rest) > 1 else None


def _as_unit(rest: list[str]) -> Started | None:
    options = _skip_options(rest, _VALUED["systemd-run"])
    if not rest or not _KEPT_BY_SESSION.isdisjoint(options):
        return None
    named = options.get("--unit") or options.get("-u")
    unit = named if named is None or named.endswith(".service") else f"{named}.service"
    return Started(tuple(rest[:ARGUMENTS]), unit=unit or "")


def _skip_options(rest: list[str], valued: frozenset[str]) -> dict[str, str]:
    """Take the options off the beginning of rest, and return them with their values."""
    taken: dict[str, str] = {}
    while rest and rest[0].startswith("-") and rest[0] != "-":
        option, separator, value = rest.pop(0).partition("=")
        if option == "--":
            break
        if not separator and option in valued and rest:
            value = rest.pop(0)
        taken[option] = value
    return taken

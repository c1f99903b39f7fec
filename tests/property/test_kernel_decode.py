"""Decoders of kernel records: what was written is read back, and no bytes make them raise but ValueError."""

from __future__ import annotations

import contextlib
import ipaddress
import struct

from hypothesis import given
from hypothesis import strategies as st

from agent.decode import bpf_acts, bpf_connection, bpf_process, connector, inet_diag, netlink, proc_files
from agent.decode.ip import ip_text
from agent.feeds.flow_reports import FlowReports
from agent.feeds.tally import Tally
from agent.gathered import GONE, Gathered
from agent.sensor import Moment
from evidence.kinds import act as act_kinds
from evidence.kinds.process import Exec, Exit
from evidence.text import to_bytes

IDS = st.integers(0, 0xFFFFFFFF)
LONG = st.integers(0, 2**64 - 1)
NAMES = st.binary(min_size=1, max_size=12).filter(lambda name: not set(name) & {0, 0x2F})
EXEC = struct.Struct("=HHIQQIHHQQ6IQ40sHH20s")
CONTENT = struct.pack("=5Q", 1, 2, 3, 4, 5)


def leaf_first(names: list[bytes]) -> bytes:
    return b"".join(name + b"\0" for name in reversed(names))


def exec_record(
    exe: list[bytes],
    cwd: list[bytes],
    argv: bytes,
    environment: bytes = b"",
    *,
    auid: int = 0,
    forks: int = 0,
    flags: int = 0,
    length: int | None = None,
    euid: int = 0,
    capabilities: int = 0,
) -> bytes:
    parts = leaf_first(exe), leaf_first(cwd), argv, environment
    length = len(argv) if length is None else length
    chain = b"".join(struct.pack("=QII", 10 + number, number + 1, 0) for number in range(forks))
    argv_at = EXEC.size + len(chain) + len(parts[0]) + len(parts[1])
    head = EXEC.pack(
        *(1, argv_at, 7, 100, 50, length, len(environment), flags),
        *(20, 1, 3, 1000, 1000, euid, auid, 0xFFFFFFFF, capabilities, CONTENT, forks, len(parts[0]), b"pts3"),
    )
    return head + chain + b"".join(parts)


def decoder() -> bpf_process.Decoder:
    return bpf_process.Decoder(lambda _: "/x", lambda *what: None if what[0] != CONTENT else "ab" * 32)


def parse(raw: bytes) -> tuple[int, Exec | Exit, bool]:
    return decoder().parse(raw)[:3]


@given(st.lists(NAMES, max_size=5), st.lists(NAMES, max_size=5), st.lists(NAMES, min_size=1, max_size=5))
def test_paths_and_arguments_keep_every_byte(exe: list[bytes], cwd: list[bytes], argv: list[bytes]) -> None:
    record = exec_record(exe, cwd, b"".join(one + b"\0" for one in argv), forks=2)
    mono, body, _ = parse(record)
    assert isinstance(body, Exec)

    def raw(field: str, text: str | None) -> bytes:
        assert text is not None
        return to_bytes(text, escaped=field in body.escaped)

    assert mono == 100
    assert raw("exe", body.exe) == b"/" + b"/".join(exe)
    assert raw("cwd", body.cwd) == b"/" + b"/".join(cwd)
    assert [raw("argv", one) for one in body.argv] == argv
    assert body.tty == "pts/3"
    assert [(one.pid, one.start) for one in body.ancestry] == [(3, 20), (1, 10), (2, 11)]


@given(st.lists(NAMES, max_size=5), NAMES, IDS, st.integers(0, 3))
def test_the_outline_of_an_exec_is_what_its_whole_record_says(
    exe: list[bytes], argv: bytes, auid: int, forks: int
) -> None:
    record = exec_record(exe, [], argv + b"\0", auid=auid, forks=forks)
    mono, body, _ = parse(record)
    assert isinstance(body, Exec)
    outline = decoder().outline(record)
    left_out = {"cwd", "argv", "argv_length", "sha256", "tty", "environment", "capabilities"}
    for field in set(Exec.__struct_fields__) - left_out - {"escaped", "missing", "elevated", "memory_only"}:
        assert getattr(outline, field) == getattr(body, field), field
    assert outline.argv == ()
    assert outline.missing == ("cwd", "argv", "sha256")
    assert bpf_process.header(record) == (mono, body.ppid, body.session, body.tty is not None)


EXECS = st.builds(
    exec_record,
    st.lists(st.sampled_from((b"bin", b"sh", b"\xff")), max_size=2),
    st.lists(st.sampled_from((b"tmp", b"\xfe")), max_size=1),
    st.binary(max_size=9),
    st.sampled_from((b"", b"LD_PRELOAD=x\0")),
    auid=st.sampled_from((0, 1000)),
    forks=st.integers(0, 2),
    flags=st.integers(0, 63),
    euid=st.integers(0, 1),
)


@given(st.lists(EXECS, max_size=8))
def test_what_execs_have_in_common_is_remembered_rightly(records: list[bytes]) -> None:
    one = decoder()
    for record in records:
        assert one.parse(record)[:3] == parse(record)


@given(st.binary(max_size=600), st.sampled_from((b"", b"\1\0", b"\2\0")))
def test_any_bytes_have_a_header_and_an_outline_or_are_refused(raw: bytes, kind: bytes) -> None:
    if bpf_process.header(kind + raw) is not None:
        with contextlib.suppress(ValueError):
            decoder().outline(kind + raw)


@given(IDS)
def test_an_identity_that_is_not_set_is_none_and_never_root(auid: int) -> None:
    _, body, _ = parse(exec_record([b"a"], [], b"", auid=auid))
    assert isinstance(body, Exec)
    assert body.auid == (None if auid == 0xFFFFFFFF else auid)
    assert body.session is None


@given(st.integers(0, 7))
def test_what_could_not_be_read_whole_is_missing(flags: int) -> None:
    _, body, _ = parse(exec_record([b"a"], [b"b"], b"c\0", flags=flags))
    assert isinstance(body, Exec)
    assert ("exe" in body.missing) == bool(flags & 1) == (body.exe is None)
    assert ("cwd" in body.missing) == bool(flags & 2) == (body.cwd is None)
    assert body.exe in (None, "/a (deleted)" if flags & 4 else "/a")


VARIABLES = st.dictionaries(
    st.from_regex(r"[A-Z_]{1,9}", fullmatch=True),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9),
)


@given(VARIABLES)
def test_variables_and_capabilities_are_read_back(variables: dict[str, str]) -> None:
    block = b"".join(f"{name}={value}".encode() + b"\0" for name, value in variables.items())
    raw = exec_record([b"a"], [], b"c\0", block, euid=1000, capabilities=1 << 13 | 1, flags=16)
    _, body, _ = parse(raw)
    assert isinstance(body, Exec)
    assert body.environment == (variables or None)
    assert body.capabilities == ("cap_chown", "cap_net_raw")
    assert body.elevated
    assert body.sha256 == "ab" * 32
    _, root, _ = parse(exec_record([b"a"], [], b"", capabilities=1))
    assert isinstance(root, Exec)
    assert root.capabilities == ()


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1), st.data())
def test_an_argument_cut_within_a_character_is_still_text(text: str, data: st.DataObject) -> None:
    whole = text.encode()
    cut = data.draw(st.integers(0, len(whole) - 1))
    _, body, _ = parse(exec_record([b"a"], [], whole[:cut], length=len(whole)))
    assert isinstance(body, Exec)
    assert "".join(body.argv) == whole[:cut].decode("utf-8", "ignore")
    assert body.escaped == ()
    assert body.argv_length == len(whole)


def test_a_program_that_no_file_holds_is_marked() -> None:
    for path, marked in (([b"memfd:x"], "memfd"), ([b"tmp", b"x"], "deleted")):
        _, body, _ = parse(exec_record(path, [], b"", flags=4))
        assert isinstance(body, Exec)
        assert body.memory_only == marked


@given(st.integers(0, 0xFFFF))
def test_a_status_is_a_code_or_a_signal(status: int) -> None:
    raw = struct.pack("=HHIQQQ4I", 2, 0, 7, 100, 40, 3, 0, 0, 0, status)
    _, body, _ = parse(raw)
    assert isinstance(body, Exit)
    assert (body.code is None) != (body.signal is None)
    assert (body.code or 0) << 8 | (body.signal or 0) == status & (0x7F if status & 0x7F else 0xFF00)
    assert body.duration == 60


GARBAGE = st.binary(max_size=400)
TYPED = st.builds(lambda kind, rest: bytes([kind, 0]) + rest, st.integers(0, 5), st.binary(max_size=400))


@given(GARBAGE | TYPED)
def test_no_bytes_make_a_decoder_raise_but_value_error(raw: bytes) -> None:
    with contextlib.suppress(ValueError):
        parse(raw)
    with contextlib.suppress(ValueError):
        bpf_connection.parse(raw)
    with contextlib.suppress(ValueError):
        list(bpf_connection.parse_all(raw))
    with contextlib.suppress(ValueError):
        inet_diag.parse(raw)
    with contextlib.suppress(ValueError):
        proc_files.parse_stat(raw)
    connector.parse(raw)
    list(netlink.messages(raw))
    list(netlink.attributes(raw))


FILES = st.dictionaries(st.sampled_from([*proc_files.FILES, *proc_files.LINKS]), st.binary(max_size=60))


@given(FILES)
def test_no_proc_files_make_a_snapshot_raise_but_value_error(files: dict[str, bytes]) -> None:
    with contextlib.suppress(ValueError):
        proc_files.parse_snapshot(files)
    files = {**files, "stat": stat_line(b"x")}
    snapshot = proc_files.parse_snapshot(files)
    for field, file in (("exe", "exe"), ("argv", "cmdline"), ("auid", "loginuid"), ("cgroup", "cgroup")):
        assert (field in snapshot.unread) == (file not in files)


def stat_line(name: bytes) -> bytes:
    return b"42 (" + name + b") S 41 42 42 34819 42 4194304 1 2 3 4 5 6 7 8 20 0 1 0 12345 999 1\n"


@given(st.binary(max_size=15))
def test_a_process_may_be_named_anything(name: bytes) -> None:
    stat = proc_files.parse_stat(stat_line(name))
    assert (stat.pid, stat.ppid, stat.start) == (42, 41, 123_450_000_000)


def test_a_terminal_is_named_as_who_names_it() -> None:
    assert proc_files.parse_snapshot({"stat": stat_line(b"sh")}).tty == "pts/3"


def test_what_a_snapshot_lacks_is_missing_and_the_rest_late() -> None:
    files = {
        "stat": stat_line(b"sh"),
        "cmdline": b"sh\0-c\0\0",
        "loginuid": b"4294967295",
        "sessionid": b"3\n",
    }
    body = proc_files.late_exec(42, proc_files.parse_snapshot(files))
    assert (body.argv, body.auid, body.session) == (("sh", "-c", ""), None, 3)
    assert set(body.missing) == {"exe", "cwd", "cgroup", "uid", "gid", "euid"}
    assert {"start", "argv", "auid", "session"} <= set(body.late)


@given(st.ip_addresses())
def test_addresses_read_back(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    assert ip_text(address.packed) == str(mapped or address)
    if isinstance(address, ipaddress.IPv4Address):
        assert ip_text(bytes(10) + b"\xff\xff" + address.packed) == str(address)


@given(st.lists(st.tuples(st.integers(0, 10**10), st.integers(0, 10**10)), max_size=30))
def test_a_flow_reports_at_each_size_and_each_minute_and_never_without_news(
    steps: list[tuple[int, int]],
) -> None:
    reports = FlowReports(1_000_000, 60.0)
    total = now = last = told = 0
    reports.opened(1, 0)
    for grown, waited in steps:
        total, now = total + grown, now + waited
        due = reports.due(1, total, now)
        crossed = any(told < size <= total for size in (10**power for power in range(6, 13)))
        assert due == (total != told and (crossed or now - last >= 60_000_000_000))
        if due:
            last, told = now, total


def test_flow_reports_are_bounded() -> None:
    reports = FlowReports(1, 1.0)
    for flow in range(70_000):
        reports.opened(flow, 0)
    assert len(reports) == 65_536


def test_a_tally_tells_each_cause_once_with_its_interval() -> None:
    tally = Tally("process", {"ring_full": "do this"})
    assert tally.take(Moment(5, 0)) == []
    tally.add("ring_full", 2)
    tally.add("ring_full")
    tally.add_unknown("poll_gap")
    found = {one.cause: one for one in tally.take(Moment(9, 0))}
    assert found["ring_full"].count == 3
    assert (found["ring_full"].from_, found["ring_full"].to) == (5, 9)
    assert found["ring_full"].suggestion == "do this"
    assert found["poll_gap"].count is None
    assert tally.take(Moment(10, 0)) == []


def test_a_tally_goes_on_with_what_a_killed_run_had_not_told() -> None:
    kept = Gathered(int)
    killed = Tally("dns", kept=kept)
    killed.add("undecodable", 2)
    killed.add("none", 0)
    after = Tally("dns", kept=Gathered(int, kept.changes()))
    after.add("undecodable")
    assert [(one.cause, one.count) for one in after.take(Moment(9, 0))] == [("undecodable", 3)]
    killed.take(Moment(9, 0))
    assert kept.changes() == {"undecodable": GONE}


ACT = struct.Struct("=HHIQ" + "QQIIIII4x" + "QQQQ" + "QII" + "64s256s")


@given(
    kind=st.integers(1, 8),
    call=st.integers(0, 500),
    how=IDS,
    numbers=st.tuples(LONG, LONG, LONG, LONG),
    name=st.binary(max_size=64),
    path=st.binary(max_size=256),
    done=st.booleans(),
)
def test_an_act_keeps_who_and_what(
    *,
    kind: int,
    call: int,
    how: int,
    numbers: tuple[int, int, int, int],
    name: bytes,
    path: bytes,
    done: bool,
) -> None:
    owner = (50, 40, 7, 6, 1000, 0xFFFFFFFF, 3)
    raw = ACT.pack(kind, call, how, 100, *owner, *numbers, 60, 9, 1001, name, path)
    act = bpf_acts.parse(raw)
    body = bpf_acts.to_body(act, None, done=done)
    assert (act.mono, act.owner and (act.owner.pid, act.owner.auid)) == (100, (7, None))
    assert act.target is not None
    assert (act.target.pid, act.target.start, act.target.uid) == (9, 60, 1001)
    if isinstance(body, act_kinds.Mount):
        assert to_bytes(body.path or "", escaped="path" in body.escaped) == path.partition(b"\0")[0]
    if isinstance(body, act_kinds.Credentials):
        assert body.former_euid == (None if numbers[0] == 0xFFFFFFFF else numbers[0])


@given(st.binary(max_size=bpf_acts.SIZE + 4))
def test_no_bytes_make_an_act_raise_but_value_error(raw: bytes) -> None:
    with contextlib.suppress(ValueError):
        bpf_acts.to_body(bpf_acts.parse(raw), None, done=False)
    with contextlib.suppress(ValueError):
        bpf_acts.to_body(bpf_acts.parse(raw.ljust(bpf_acts.SIZE, b"\0")), None, done=True)

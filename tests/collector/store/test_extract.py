"""Events → columns: each kind's fields land where docs/store.md says, and bad values cost no other."""

from __future__ import annotations

import json
import typing
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.lake import extract
from collector.lake.extract import Opaque
from evidence import ocsf
from evidence.event import Event, stamp
from evidence.kind import Actor, Body, Endpoint, Part
from evidence.kinds import BY_NAME
from evidence.kinds.collector import Act
from evidence.kinds.connection import Close, Open
from evidence.kinds.dns import Query
from evidence.kinds.file import Change, Delete, FileState, Read
from evidence.kinds.login import Accepted, Failed, Sudo
from evidence.kinds.process import Exec, IdentityChanged

HERE = Endpoint(ip="10.0.0.1", port=22)
THERE = Endpoint(ip="203.0.113.9", port=443, name="drop.example")
ACTOR = Actor(pid=7, start=70, exe="/bin/scp", cmd_line="scp x", uid=0, auid=1000, session=3, unit="u.scope")


def row(body: Body) -> dict[str, Any]:
    found = extract.rows([stamp(body, seq=1, time=2, mono=3)]).to_pylist()[0]
    assert json.loads(found.pop("body")) == json.loads(msgspec.json.encode(body))
    return {name: value for name, value in found.items() if value is not None}


def test_exec_fills_process_columns_and_keeps_argv_as_an_array() -> None:
    body = Exec(
        pid=5, start=50, ppid=4, parent_start=40, exe="/bin/tar", cwd="/srv", argv=("tar", "c", "a b"),
        sha256="f" * 64, uid=0, euid=0, auid=1000, session=3, user="root", login="alice", unit="x",
        container="c1",
    )  # fmt: skip
    assert row(body) == {
        "seq": 1, "time": 2, "mono": 3, "kind": "process.exec", "class_uid": 1007,
        "pid": 5, "start": 50, "ppid": 4, "parent_start": 40, "exe": "/bin/tar", "cwd": "/srv",
        "argv": ["tar", "c", "a b"], "cmd_line": "tar c a b", "sha256": "f" * 64, "uid": 0, "euid": 0,
        "auid": 1000, "session": 3, "user_name": "root", "login": "alice", "unit": "x", "container": "c1",
    }  # fmt: skip


@pytest.mark.parametrize(("direction", "src", "dst"), [("out", HERE, THERE), ("in", THERE, HERE)])
def test_src_is_the_side_that_opened_and_bytes_out_always_leave_this_host(
    direction: Any, src: Endpoint, dst: Endpoint
) -> None:
    body = Close(
        flow=9, protocol="tcp", direction=direction, local=HERE, remote=THERE, bytes_out=100, actor=ACTOR
    )
    found = row(body)
    assert (found["src_ip"], found["src_port"]) == (src.ip, src.port)
    assert (found["dst_ip"], found["dst_port"]) == (dst.ip, dst.port)
    assert (found["bytes_out"], found.get("bytes_in")) == (100, None)
    assert (found["name"], found["direction"], found["flow"]) == ("drop.example", direction, 9)
    assert (found["pid"], found["exe"], found["cmd_line"], found["auid"]) == (7, "/bin/scp", "scp x", 1000)


def test_what_a_process_became_since_has_a_column() -> None:
    actor = Actor(pid=7, exe="/bin/sh", became="/usr/bin/scp")
    found = row(Open(flow=1, protocol="tcp", direction="out", local=HERE, remote=THERE, actor=actor))
    assert (found["exe"], found["became"]) == ("/bin/sh", "/usr/bin/scp")


def test_an_event_without_actor_has_no_process_and_no_zero() -> None:
    found = row(Open(flow=1, protocol="udp", direction="out", local=HERE, remote=THERE))
    assert not {"pid", "uid", "auid", "session", "exe"} & set(found)


def test_logins_have_user_source_fingerprint_and_outcome() -> None:
    accepted = row(Accepted(program="sshd", user="alice", fingerprint="SHA256:x", source=THERE, local=HERE))
    assert (accepted["user_name"], accepted["fingerprint"]) == ("alice", "SHA256:x")
    assert (accepted["src_ip"], accepted["dst_ip"], accepted["outcome"]) == (THERE.ip, HERE.ip, "success")
    assert row(Failed(program="sshd", user="bob", source=THERE))["outcome"] == "failure"
    sudo = row(Sudo(program="sudo", user="alice", target="root", command="/bin/sh", allowed=False))
    assert (sudo["target_user"], sudo["cmd_line"], sudo["outcome"]) == ("root", "/bin/sh", "failure")
    assert row(Act(user="eve", verb="sql", source=THERE))["src_ip"] == THERE.ip


def test_files_have_path_tree_and_the_hash_after() -> None:
    changed = row(Change(path="/etc/passwd", after=FileState(sha256="b" * 64), actor=ACTOR))
    assert (changed["path"], changed["sha256"], changed["pid"]) == ("/etc/passwd", "b" * 64, 7)
    assert "sha256" not in row(Delete(path="/x", before=FileState(sha256="c" * 64)))
    assert row(Read(path="/etc/shadow", tree="/etc/shadow"))["tree"] == "/etc/shadow"


def test_dns_and_identity() -> None:
    query = row(Query(name="drop.example", type="A", server=HERE, actor=ACTOR))
    assert (query["name"], query["dst_ip"], query["class_uid"]) == ("drop.example", HERE.ip, 4003)
    assert row(IdentityChanged(actor=ACTOR, former_auid=1))["auid"] == 1000


def _fields(shape: dict[str, Any], kind: Any, prefix: str = "") -> set[str]:
    """Return the paths of shape that a kind has."""
    found = set()
    for field in msgspec.structs.fields(kind):
        inner = shape.get(field.encode_name)
        parts = [item for item in typing.get_args(field.type) or (field.type,) if _is_part(item)]
        if isinstance(inner, dict) and parts:
            found |= _fields(inner, parts[0], f"{prefix}{field.encode_name}.")
        elif inner is not None:
            found.add(f"{prefix}{field.encode_name}")
    return found


def _is_part(item: Any) -> bool:
    return isinstance(item, type) and issubclass(item, Part)


def _paths(shape: dict[str, Any], prefix: str = "") -> set[str]:
    return {
        path
        for name, inner in shape.items()
        for path in (_paths(inner, f"{prefix}{name}.") if isinstance(inner, dict) else {f"{prefix}{name}"})
    }


def test_every_field_that_is_read_is_one_that_some_kind_has() -> None:
    held = {path for kind in BY_NAME.values() for path in _fields(extract.SHAPE, kind)}
    assert _paths(extract.SHAPE) - held == {"kind"}


@pytest.mark.parametrize("kind", BY_NAME)
def test_kinds_have_the_class_that_exports_give_them(kind: str) -> None:
    event: Any = Event(1, 2, 3, Opaque(kind))
    assert extract.rows([event])["class_uid"].to_pylist() == [ocsf.class_of(BY_NAME[kind])]


def test_integers_beyond_64_bits_are_null_and_their_neighbours_stay() -> None:
    bodies = [Exec(pid=1), Exec(pid=1 << 63), Exec(pid=10**400), Exec(pid=(1 << 63) - 1)]
    found = extract.rows([stamp(body, seq=1, time=2, mono=3) for body in bodies])
    assert found["pid"].to_pylist() == [1, None, None, (1 << 63) - 1]


def test_unknown_kinds_keep_their_name() -> None:
    event: Any = Event(1, 2, 3, Opaque("module.load"))
    found = extract.rows([event, stamp(Exec(pid=4), seq=2, time=2, mono=2)])
    assert found["kind"].to_pylist() == ["module.load", "process.exec"]
    assert found["pid"].to_pylist() == [None, 4]


words = st.text(max_size=20)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.builds(Exec, pid=st.integers(-(1 << 63), (1 << 63) - 1), exe=words, cwd=words,
                          argv=st.lists(words, max_size=4).map(tuple)), max_size=5))  # fmt: skip
def test_any_text_comes_through_as_it_is(bodies: list[Exec]) -> None:
    found = extract.rows([stamp(body, seq=1, time=2, mono=3) for body in bodies])
    for name in ("pid", "exe", "cwd"):
        assert found[name].to_pylist() == [getattr(body, name) for body in bodies]
    assert found["argv"].to_pylist() == [list(body.argv) or None for body in bodies]
    assert found["body"].to_pylist() == [msgspec.json.encode(body).decode() for body in bodies]

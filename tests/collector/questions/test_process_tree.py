"""The process tree: ancestors above, descendants below, whatever the rows are."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from collector.questions import process_tree
from collector.questions.process_tree import DEPTH_LIMIT, Process


def execs(pid: int, ppid: int | None, **more: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(
        ("direction", "name", "src_ip", "src_port", "dst_ip", "dst_port", "bytes_out", "bytes_in", "duration")
    )
    row |= {
        "kind": "process.exec",
        "pid": pid,
        "start": pid,
        "ppid": ppid,
        "parent_start": ppid,
        "body": "{}",
    }
    row |= {"exe": f"/bin/p{pid}", "cmd_line": f"p{pid}", "event": f"e{pid}", "time": pid, "user_name": "u"}
    return row | more


def shape(node: Process) -> Any:
    return (node.pid, [shape(child) for child in node.children])


def size(node: Process) -> int:
    waiting, count = [node], 0
    while waiting:
        one = waiting.pop()
        count += 1
        waiting.extend(one.children)
    return count


def test_ancestors_are_a_path_and_descendants_a_tree() -> None:
    rows = [execs(1, None), execs(2, 1), execs(3, 2), execs(4, 3), execs(5, 3), execs(6, 2)]
    assert shape(_built(rows, 3)) == (1, [(2, [(3, [(4, []), (5, [])])])])


def test_a_parent_that_only_forked_is_known_by_its_child() -> None:
    ancestry = [{"pid": 8, "start": 8, "exe": "/usr/sbin/sshd"}, {"pid": 7, "start": 7, "exe": "/sbin/init"}]
    body = msgspec.json.encode({"ancestry": ancestry}).decode()
    root = _built([execs(9, 8, body=body)], 9)
    assert shape(root) == (7, [(8, [(9, [])])])
    assert (root.exe, root.commands) == ("/sbin/init", ())


def test_two_execs_of_one_process_are_one_node() -> None:
    root = _built([execs(1, None), execs(1, None, cmd_line="again")], 1)
    assert root.commands == ("p1", "again")


def test_a_reused_pid_is_another_process() -> None:
    rows = [execs(1, None), execs(2, 1), execs(2, 1, start=99, cmd_line="other")]
    assert [child.start for child in _built(rows, 1).children] == [2, 99]


def test_connections_and_exits_belong_to_their_process() -> None:
    closed = execs(1, None, kind="connection.close", direction="out", dst_ip="203.0.113.9", dst_port=443)
    root = _built(
        [execs(1, None), closed | {"bytes_out": 5}, execs(1, None, kind="process.exit", duration=9)], 1
    )
    assert (root.flows[0].ip, root.flows[0].bytes_out, root.duration) == ("203.0.113.9", 5, 9)


def test_what_is_not_known_has_no_tree() -> None:
    assert process_tree.build([execs(1, None)], (2, 2)) is None


def test_depth_is_bounded_and_the_cut_is_said() -> None:
    rows = [execs(pid, pid - 1 if pid > 1 else None) for pid in range(1, 5001)]
    below = _built(rows, 1)
    assert size(below) == DEPTH_LIMIT + 1
    msgspec.json.encode(below)
    while below.children:
        below = below.children[0]
    assert below.cut
    assert size(_built(rows, 5000)) <= DEPTH_LIMIT + 2


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6) | st.none()), min_size=1, max_size=12))
def test_any_parentage_even_a_circle_gives_a_tree(pairs: list[tuple[int, int | None]]) -> None:
    rows = [execs(pid, ppid) for pid, ppid in pairs]
    root = process_tree.build(rows, (pairs[0][0], pairs[0][0]))
    assert root is not None
    assert size(root) <= 7


@given(st.text() | st.sampled_from(["[]", "1", '{"ancestry": 5}', '{"ancestry": [{}, 7, {"pid": "x"}]}']))
def test_any_body_is_survived(body: str) -> None:
    assert process_tree.build([execs(1, None, body=body)], (1, 1)) is not None


def _built(rows: list[dict[str, Any]], focus: int) -> Process:
    root = process_tree.build(rows, (focus, focus))
    assert root is not None
    return root

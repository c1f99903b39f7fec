"""A process's tree from its events: the ancestors above it, and everything it started below."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

DEPTH_LIMIT = 100
"""Levels shown above and below the process; what lies deeper is marked as cut."""

Key = tuple[int, int | None]
"""A process within one boot of one agent: pid and start."""


class Flow(msgspec.Struct, frozen=True, omit_defaults=True):
    """A connection a process had, with its final bytes."""

    direction: str | None
    ip: str | None
    port: int | None
    name: str | None
    bytes_out: int | None
    bytes_in: int | None


class Process(msgspec.Struct, frozen=True, omit_defaults=True):
    """A node: exe and commands are None and empty where only a child named this process as its ancestor.

    commands holds one command line for each exec of the process, in order.
    """

    pid: int
    start: int | None
    exe: str | None = None
    commands: tuple[str, ...] = ()
    event: str | None = None
    time: int | None = None
    user: str | None = None
    duration: int | None = None
    flows: tuple[Flow, ...] = ()
    focus: bool = False
    cut: bool = False
    children: tuple[Process, ...] = ()


class _Facts:
    """What is gathered about one process while the rows are read."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.parent: Key | None = None
        self.exe: str | None = None
        self.commands: list[str] = []
        self.first: Mapping[str, Any] | None = None
        self.duration: int | None = None
        self.flows: list[Flow] = []


def build(rows: Iterable[Mapping[str, Any]], focus: Key) -> Process | None:
    """Return the tree from the topmost known ancestor of focus down to all its descendants.

    rows are events of one agent and boot in order of time, as `queries.relatives` returns them. Beside the
    path from the top to focus, only focus has its children shown. None where no row knows focus.
    """
    table = _gather(rows)
    if focus not in table:
        return None
    children: dict[Key, list[Key]] = {}
    for facts in table.values():
        if facts.parent is not None:
            children.setdefault(facts.parent, []).append(facts.key)
    node = _below(table, children, focus, focus)
    seen = {focus}
    parent = table[focus].parent
    while parent is not None and parent in table and parent not in seen and len(seen) <= DEPTH_LIMIT:
        seen.add(parent)
        node = _node(table[parent], (node,), focus=False)
        parent = table[parent].parent
    return node


def _gather(rows: Iterable[Mapping[str, Any]]) -> dict[Key, _Facts]:
    table: dict[Key, _Facts] = {}
    for row in rows:
        if row["pid"] is None:
            continue
        key: Key = (row["pid"], row["start"])
        facts = table.setdefault(key, _Facts(key))
        if row["kind"] == "process.exec":
            _executed(table, facts, row)
        elif row["kind"] == "process.exit":
            facts.duration = row["duration"]
        else:
            facts.flows.append(_flow(row))
        facts.exe = facts.exe or row["exe"]
    return table


def _executed(table: dict[Key, _Facts], facts: _Facts, row: Mapping[str, Any]) -> None:
    facts.exe = row["exe"]
    facts.commands.append(row["cmd_line"] or row["exe"] or "")
    facts.first = facts.first or row
    if row["ppid"] is not None and row["ppid"] != 0:
        facts.parent = (row["ppid"], row["parent_start"])
        table.setdefault(facts.parent, _Facts(facts.parent))
    # Processes that forked without an exec have no event of their own; their children name them.
    below = facts
    for step in _ancestry(row["body"]):
        key: Key = (step.pid, step.start)
        above = table.setdefault(key, _Facts(key))
        above.exe = above.exe or step.exe
        if below.parent is None and key != below.key:
            below.parent = key
        below = above


class _Step(msgspec.Struct, frozen=True):
    pid: int
    start: int | None = None
    exe: str | None = None


class _Lineage(msgspec.Struct, frozen=True):
    ancestry: tuple[_Step, ...] = ()


_lineages = msgspec.json.Decoder(_Lineage)


def _ancestry(body: str | None) -> tuple[_Step, ...]:
    """Return the ancestors an exec names, nearest first; none where its body cannot be read."""
    try:
        return _lineages.decode(body or "{}").ancestry
    except (msgspec.DecodeError, UnicodeEncodeError):
        return ()


def _flow(row: Mapping[str, Any]) -> Flow:
    inbound = row["direction"] == "in"
    ip, port = (row["src_ip"], row["src_port"]) if inbound else (row["dst_ip"], row["dst_port"])
    return Flow(row["direction"], ip, port, row["name"], row["bytes_out"], row["bytes_in"])


def _below(table: Mapping[Key, _Facts], children: Mapping[Key, list[Key]], root: Key, focus: Key) -> Process:
    """Return root with all its descendants; without recursion, for a chain may be thousands deep."""
    order: list[tuple[Key, int]] = []
    waiting = [(root, 0)]
    seen = {root}
    while waiting:
        key, depth = waiting.pop()
        order.append((key, depth))
        below = [child for child in children.get(key, ()) if child not in seen and depth < DEPTH_LIMIT]
        seen.update(below)
        waiting.extend((child, depth + 1) for child in below)
    done: dict[Key, Process] = {}
    for key, depth in reversed(order):
        nodes = tuple(done.pop(child) for child in children.get(key, ()) if child in done)
        done[key] = _node(
            table[key], nodes, focus=key == focus, cut=depth == DEPTH_LIMIT and bool(children.get(key))
        )
    return done[root]


def _node(facts: _Facts, children: tuple[Process, ...], *, focus: bool, cut: bool = False) -> Process:
    first = facts.first or {}
    return Process(
        pid=facts.key[0],
        start=facts.key[1],
        exe=facts.exe,
        commands=tuple(facts.commands),
        event=first.get("event"),
        time=first.get("time"),
        user=first.get("user_name"),
        duration=facts.duration,
        flows=tuple(facts.flows),
        focus=focus,
        cut=cut,
        children=tuple(sorted(children, key=lambda child: (child.time or 0, child.pid))),
    )

"""`vedette tree`: the processes above and below one process, with what each sent where."""

from __future__ import annotations

import argparse
from typing import Any

from rich.text import Text
from rich.tree import Tree

from .. import http
from ..command import FINE, Call, Command
from ..errors import ClientError
from ..screen import styled
from ..text import endpoint, lasting, size, utc


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("event", nargs="?", help="an event of the process, as agent:epoch:number")
    parser.add_argument("--host", metavar="HOST", help="host name or agent id, with --pid")
    parser.add_argument("--pid", type=int, help="process id; the newest process that had it")
    parser.add_argument("--start", type=int, metavar="NS", help="the process's start, ns since boot")


def _run(call: Call) -> int:
    options = call.options
    if options.event is None and (options.host is None or options.pid is None):
        raise ClientError("which process? type: vedette tree AGENT:EPOCH:NUMBER, or --host HOST --pid PID")
    answer = http.connect(call).get(
        "/v1/tree", event=options.event, agent=options.host, pid=options.pid, start=options.start
    )
    if call.screen.as_json:
        call.screen.value(answer)
        return FINE
    call.screen.line((str(answer.get("host") or answer["agent"]), "bold"), f"  boot {answer['boot']}")
    call.screen.show(_tree(answer["root"]))
    if answer.get("truncated"):
        call.screen.note("more relatives exist than were read; some branches are missing")
    return FINE


def _tree(root: dict[str, Any]) -> Tree:
    """Return the tree; rich draws it with recursion, and the collector bounds its depth."""
    top = Tree(_label(root), guide_style="dim")
    waiting = [(top, root)]
    while waiting:
        branch, node = waiting.pop()
        for flow in node.get("flows", ()):
            branch.add(_flow(flow))
        if node.get("cut"):
            branch.add(styled(("… deeper ones are not shown", "dim")))
        waiting.extend((branch.add(_label(child)), child) for child in node.get("children", ()))
    return top


def _label(node: dict[str, Any]) -> Text:
    commands = node.get("commands", ())
    shown = commands[-1] if commands else node.get("exe") or "?"
    before = "".join(f"{command} ⇒ " for command in commands[:-1])
    user = f"  {node['user']}" if "user" in node else ""
    moment = f"  {utc(node['time'], digits=3)[11:]}" if "time" in node else ""
    lasted = f"  {lasting(node['duration'])}" if "duration" in node else ""
    style = "bold cyan" if node.get("focus") else "" if commands else "dim"
    return styled((before, "dim"), (shown, style), (f"  pid {node['pid']}{user}{moment}{lasted}", "dim"))


def _flow(flow: dict[str, Any]) -> Text:
    target = endpoint(flow.get("ip"), flow.get("port"), flow.get("name"))
    arrow = "←" if flow.get("direction") == "in" else "→"
    amount = f"{size(flow.get('bytes_out'))} out, {size(flow.get('bytes_in'))} in"
    return styled((f"{arrow} {target}  ", "magenta"), (amount, "bold magenta"))


COMMAND = Command("tree", "show the process tree around a process", _run, _arguments)

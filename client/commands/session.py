"""`vedette session`: one audit session of one host: who, from where, what was done, what was sent where."""

from __future__ import annotations

import argparse
from typing import Any

from .. import chain, http
from ..command import FINE, Call, Command, limit
from ..screen import Part, Screen
from ..text import endpoint, lasting, size, utc
from .timeline import lines


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("host", help="host name or agent id")
    parser.add_argument("session", type=int, help="the audit session's number, as an alert names it")
    limit(parser, 2000)


def _run(call: Call) -> int:
    options = call.options
    answer = http.connect(call).get(
        "/v1/session", agent=options.host, session=options.session, limit=options.limit
    )
    if call.screen.as_json:
        call.screen.value(answer)
        return FINE
    _head(call.screen, answer, options.host)
    lines(call.screen, answer["events"], person=False, host=False)
    if answer["flows"]:
        call.screen.line("")
        heads = ("bytes out", "bytes in", "direction", "program", "from", "to")
        rows = [_flow(flow) for flow in answer["flows"]]
        call.screen.table(heads, rows, right=("bytes out", "bytes in"))
    if answer["truncated"]:
        call.screen.note(f"only the newest {len(answer['events'])} events; raise --limit")
    return FINE


def _head(screen: Screen, answer: dict[str, Any], host: str) -> None:
    events, known = answer["events"], answer.get("known", [])
    person = next((event for event in events if "person" in event), events[0])
    name = person.get("person") or person.get("login") or "unknown"
    how = f", known by {person['how']}" if "how" in person else ""
    origin = f" from {person['person_source']}" if "person_source" in person else ""
    out = sum(flow.get("bytes_out", 0) for flow in answer["flows"])
    screen.line((f"session {answer['session']}", "bold"), f" on {host}: ", (name, "bold"), f"{origin}{how}")
    for one in known:
        if one.get("chain"):
            here = f"{one.get('user', '-')}@{host}"
            screen.line("reached by ", (chain.path(one["chain"], here), "bold"))
    screen.line(
        f"{utc(events[0]['time'])}, {lasting(events[-1]['time'] - events[0]['time'])}, ",
        f"{len(events)} events, {len(answer['flows'])} connections, ",
        (f"{size(out)} out", "bold"),
    )
    screen.line("")


def _flow(flow: dict[str, Any]) -> list[Part]:
    return [
        (size(flow.get("bytes_out")), "bold"),
        size(flow.get("bytes_in")),
        str(flow.get("direction", "-")),
        str(flow.get("exe", "-")).rsplit("/", maxsplit=1)[-1],
        endpoint(flow.get("src_ip"), None),
        endpoint(flow.get("dst_ip"), flow.get("dst_port"), flow.get("name")),
    ]


COMMAND = Command("session", "show one audit session of a host", _run, _arguments)

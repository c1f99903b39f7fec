"""A detection of a site's own: a person had psql COPY something by a long statement, as exports are.

Copied to the folder of detection.python, it is tried on the examples at its end, and then in force.
"""

from __future__ import annotations

from collector.by_person import by_person
from collector.examples import SERVICE, at_once, run
from collector.one_event import finding
from collector.record import Record
from collector.rule import Detection, Finding, Parameter, Site
from evidence.kinds.process import Exec

_LONGEST = Parameter(
    "longest", 200, "characters of a command", "statements typed by hand are shorter; exports are pasted"
)


def _find(record: Record, site: Site) -> Finding | None:
    body = record.event.body
    if not isinstance(body, Exec) or by_person(record, site) is None:
        return None
    asked = " ".join(body.argv)
    if "copy" not in asked.lower() or len(asked) <= site.number("site-psql-copy", _LONGEST):
        return None
    return finding(record, body.argv[-1][:64], f"psql COPY of {len(asked)} characters on {record.host}")


_LONG = "COPY customers (" + ", ".join(f"column_{number}" for number in range(30)) + ") TO STDOUT"

DETECTION = Detection(
    id="site-psql-copy",
    version=1,
    title="A long COPY in psql",
    severity="medium",
    attack=("T1005",),
    kinds=(Exec,),
    find=_find,
    parameters=(_LONGEST,),
    programs=lambda _site: frozenset({"psql"}),
    hits=(at_once("an export", run("psql", "-c", _LONG)),),
    misses=(
        at_once("a short one", run("psql", "-c", "copy t to stdout")),
        at_once("no COPY", run("psql", "-c", "SELECT 1" + " " * 300)),
        at_once("a robot", run("psql", "-c", _LONG), organisation=SERVICE),
    ),
)

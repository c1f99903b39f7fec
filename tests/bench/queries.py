"""How long an analyst waits, and what an event takes on disk: rows {"name", "value", "unit"}.

The API is served over a lake of ten million events of a generated fleet's month (`tune_lake`), and asked over
HTTP what `vedette` asks: each question a number of times, of other people, hosts, sessions and times, drawn
from the lake with a fixed seed. stored_bytes_per_event are the files of the table of events, of the days that
were folded, committed and merged as the pipeline does; ledger_bytes_per_event the sealed batches they came
in. With --keep the lake is used again.
"""

from __future__ import annotations

import json
import math
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
from argon2 import PasswordHasher

from collector import analysis
from collector.api.routes import routes
from collector.api.services import Services
from collector.lake import snapshot
from collector.rules.rulebook import Book
from collector.settings import Console, Detection
from collector.state_db import StateDb
from collector.users import Role, Users
from collector.verdicts.suppressions import Suppressions
from collector.verdicts.triages import Triages
from tests.bench import tune_lake
from tests.bench.tune_lake import DAY, Made
from tests.collector.api.live import bundle, listening

HOUR = 3600 * 10**9
TIMES = 10
"""How often each question is asked, each time about something else."""
_WORDS = (
    "zx81",
    "/dev/tcp/",
    "pg_dump",
    "authorized_keys",
    "10.9.8.7",
    "tar -cz",
    "secret",
    "rsync",
    "base64",
    "curl -T",
)
"""What is searched for in all texts of the month; the first is nowhere."""
Row = dict[str, object]
_PROGRAMS = ("curl", "scp", "git", "tar")
_FILES = ("id_rsa", "shadow", ".pem", "dump")
Question = tuple[str, str, dict[str, Any]]
"""A name, a path, and what is given."""


def services(made: Made, folder: Path, now: int) -> tuple[Services, str]:
    """Return what the API needs over the lake, and the token of an analyst."""
    database = StateDb(folder / "state.db")
    database.create()
    users = Users(database, PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    users.add("ann", "correct horse battery", Role.ANALYST, now)
    known = tune_lake.known(made)
    own = Services(
        users,
        lambda _act: None,
        bundle,
        Path(made.snapshot),
        Console(),
        lambda: now,
        Suppressions(database),
        lambda: analysis.site(Detection(), known),
        Book,
        Triages(database),
    )
    return own, users.issue_token("ann", "bench", now, now + DAY)


def questions(made: Made, seed: int = 1) -> list[Question]:
    """Return what is asked, in an order that mixes all."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    with snapshot.connect(snapshot.read(Path(made.snapshot))) as connection:
        people = _column(
            connection.execute("SELECT DISTINCT person FROM sessions WHERE person IS NOT NULL ORDER BY 1")
        )
        hosts = _column(connection.execute("SELECT DISTINCT host FROM sessions ORDER BY 1"))
        of = connection.execute(
            "SELECT agent, session FROM sessions WHERE closed IS NOT NULL ORDER BY agent, boot, session"
        ).fetchall()
        execs = _column(
            connection.execute(
                "SELECT agent || ':' || epoch || ':' || seq FROM events WHERE kind = 'process.exec' "
                "AND session IS NOT NULL ORDER BY ledger_index, seq LIMIT 5000"
            )
        )
    asked: list[Question] = []
    for number in range(TIMES):
        day = made.since + draw.randrange((made.until - made.since) // DAY) * DAY
        hour = day + 9 * HOUR + draw.randrange(8) * HOUR
        agent, session = draw.choice(of)
        asked += [
            ("a person's day", "/v1/timeline", {"person": draw.choice(people), "from": day, "to": day + DAY}),
            ("a host's hour", "/v1/timeline", {"host": draw.choice(hosts), "from": hour, "to": hour + HOUR}),
            ("a session", "/v1/session", {"agent": agent, "session": session}),
            ("a person's sessions", "/v1/person", {"name": draw.choice(people)}),
            ("a process and its kin", "/v1/tree", {"event": draw.choice(execs)}),
            (
                "a program on a day",
                "/v1/search",
                {"query": f"exe:*/{draw.choice(_PROGRAMS)}", "from": day, "to": day + DAY},
            ),
            ("an address in the month", "/v1/search", {"query": f"dst_ip:203.0.113.{draw.randrange(256)}"}),
            ("a file name in the month", "/v1/search", {"query": f"path:*{draw.choice(_FILES)}*"}),
            ("text anywhere in the month", "/v1/search", {"query": json.dumps(_WORDS[number % len(_WORDS)])}),
        ]  # fmt: skip
    draw.shuffle(asked)
    return asked


def _column(cursor: Any) -> list[Any]:
    return [value for (value,) in cursor.fetchall()]


def ask(url: str, token: str, asked: list[Question]) -> dict[str, list[float]]:
    """Return by question the seconds of each answer."""
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    spent: dict[str, list[float]] = {}
    for name, path, given in asked:
        began = time.perf_counter()
        answer = session.get(
            url + path, params={key: _told(value) for key, value in given.items()}, timeout=120
        )
        spent.setdefault(name, []).append(time.perf_counter() - began)
        if answer.status_code not in (200, 404):
            raise SystemExit(f"{path} {given}: {answer.status_code} {answer.text[:300]}")
    return spent


def _told(value: Any) -> Any:
    """Return a time as the API reads it; all else as it is."""
    return (
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(value // 10**9))
        if isinstance(value, int) and value > 1 << 60
        else value
    )


def measured(made: Made, folder: Path, spent: dict[str, list[float]]) -> Iterator[Row]:
    """Yield the rows."""
    for name, seconds in sorted(spent.items()):
        yield {"name": f"{name}: p50", "value": round(_part(seconds, 0.5), 3), "unit": "s"}
        yield {"name": f"{name}: slowest", "value": round(max(seconds), 3), "unit": "s"}
    plain = [one for name, seconds in spent.items() if not name.startswith("text") for one in seconds]
    text = [one for name, seconds in spent.items() if name.startswith("text") for one in seconds]
    yield {"name": "query_p95_s", "value": round(_part(plain, 0.95), 3), "unit": "s"}
    yield {"name": "full_text_p95_s", "value": round(_part(text, 0.95), 3), "unit": "s"}
    yield {"name": "events", "value": made.events, "unit": "events"}
    files = [Path(path) for path in snapshot.read(Path(made.snapshot)).tables["events"]]
    size = sum(path.stat().st_size for path in files if path.is_relative_to(tune_lake.own(folder)))
    yield {"name": "stored_bytes_per_event", "value": round(size / made.folded, 1), "unit": "B"}
    yield {"name": "ledger_bytes_per_event", "value": round(made.sealed / made.folded, 1), "unit": "B"}


def _part(seconds: list[float], part: float) -> float:
    """Return a percentile by nearest rank."""
    return sorted(seconds)[max(0, math.ceil(part * len(seconds)) - 1)]


def rows(folder: Path, events: int) -> list[Row]:
    """Measure and return the rows."""
    made = tune_lake.make(folder, events)
    with tempfile.TemporaryDirectory(prefix="vedette-queries-") as state:
        own, token = services(made, Path(state), made.until)
        with listening(routes(own)) as url:
            spent = ask(url, token, questions(made))
    return list(measured(made, folder, spent))


def main() -> None:
    given = tune_lake.options(__doc__).parse_args()
    tune_lake.tell(given, lambda folder: rows(folder, given.events))


if __name__ == "__main__":
    main()

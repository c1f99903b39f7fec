"""The API over real HTTP: uvicorn on loopback in a thread, a lake on disk, users in a real database."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import uvicorn
from argon2 import PasswordHasher
from starlette.applications import Starlette
from starlette.routing import Route

from collector.analysis import site
from collector.api.routes import routes
from collector.api.services import Services
from collector.audit.bundler import Story
from collector.errors import LedgerError
from collector.lake import snapshot
from collector.organisation.known import Known
from collector.settings import Console, Detection
from collector.sigma.ruleset import Ruleset
from collector.state_db import StateDb
from collector.users import Role, Users
from collector.verdicts.suppressions import Suppressions
from collector.verdicts.triages import Triages
from evidence.bundle import Subject
from evidence.bundle import build as make_bundle
from evidence.checkpoint import Checkpoint, VerifierKey, sign
from evidence.keys import PrivateKey
from evidence.kinds.collector import Act
from evidence.tree import EMPTY_ROOT

from . import lake
from .lake import Lake

PASSWORD = "correct horse battery"


@dataclass
class Acts:
    """Takes acts as the ledger does, and lets readers know; told to fail, it refuses them."""

    lake: Lake
    kept: list[Act] = field(default_factory=list)
    broken: bool = False

    def __call__(self, act: Act) -> None:
        if self.broken:
            raise LedgerError("the ledger cannot be reached")
        self.kept.append(act)
        self.lake.record(act)


@dataclass(frozen=True)
class Live:
    """A running API"""

    url: str
    lake: Lake
    acts: Acts
    users: Users
    routes: list[Route]

    def token(self, user: str) -> str:
        return self.users.issue_token(user, "test", lake.NOW, lake.NOW + 10**15)

    def get(self, path: str, user: str | None = "ann", **parameters: Any) -> requests.Response:
        return requests.get(self.url + path, params=parameters, headers=self._headers(user), timeout=60)

    def post(self, path: str, body: Any, user: str | None = "ann") -> requests.Response:
        return requests.post(self.url + path, json=body, headers=self._headers(user), timeout=60)

    def _headers(self, user: str | None) -> dict[str, str]:
        return {} if user is None else {"Authorization": f"Bearer {self.token(user)}"}


class Clock:
    """Goes on from NOW as fast as the real one."""

    def __init__(self) -> None:
        self._begin = time.monotonic_ns()

    def __call__(self) -> int:
        return lake.NOW + time.monotonic_ns() - self._begin


def bundle(
    uids: tuple[str, ...], start: int | None, end: int | None, about: Story | None = None
) -> Iterator[bytes]:
    """Stand in for a ledger: a bundle without entries, signed by nobody anybody knows."""
    signer = PrivateKey(b"k" * 32)
    head = Checkpoint("test/log", 0, EMPTY_ROOT)
    subject = Subject((), start or 0, end or 0, events=uids)
    if about is not None:
        subject = Subject(about.agents, about.begin, about.end, person=about.person, sessions=about.sessions)
    key = VerifierKey(head.origin, signer.public)
    yield make_bundle(str(key), sign(head, signer).decode(), subject, (), ())


@contextmanager
def serve(
    folder: Path,
    console: Console | None = None,
    tls: tuple[Path, Path] | None = None,
    *,
    four_eyes: bool = False,
    sigma: Ruleset | None = None,
    known: Known | None = None,
) -> Iterator[Live]:
    """Serve a lake with the story, for the users vera (viewer), ann (analyst) and adam (admin)."""
    StateDb(folder / "state.db").create()
    users = Users(StateDb(folder / "state.db"), PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    for name, role in (("vera", Role.VIEWER), ("ann", Role.ANALYST), ("adam", Role.ADMIN)):
        users.add(name, PASSWORD, role, lake.NOW)
    made = lake.make(folder)
    acts = Acts(made)
    services = Services(
        users,
        acts,
        bundle,
        made.snapshot,
        console or Console(query_seconds=10.0),
        Clock(),
        Suppressions(StateDb(folder / "state.db")),
        lambda: site(Detection(), known, snapshot.book(made.snapshot)),
        lambda: snapshot.book(made.snapshot),
        Triages(StateDb(folder / "state.db")),
        four_eyes,
        lambda: sigma or Ruleset(),
    )
    mounted = routes(services)
    with listening(mounted, tls) as url:
        yield Live(url, made, acts, users, mounted)


@contextmanager
def listening(mounted: list[Route], tls: tuple[Path, Path] | None = None) -> Iterator[str]:
    """Serve these on a free port of the loopback; give the URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    certificate, key = tls or (None, None)
    server = uvicorn.Server(
        uvicorn.Config(
            Starlette(routes=mounted),
            log_level="error",
            lifespan="off",
            ssl_certfile=certificate,
            ssl_keyfile=key,
        )
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    scheme = "https" if tls else "http"
    try:
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()

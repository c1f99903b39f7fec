"""Private keys: who read whose, which were accepted where and since when, and whose they are. Pure."""

from __future__ import annotations

import msgspec

from evidence.kinds.file import Read

from ..bounded import remember
from ..by_person import is_system_program
from ..record import Person
from .session_work import base_name

OWNERS, KEYS, LOGINS, SOURCES = 5000, 20_000, 20_000, 50_000
EACH = 20
_CLIENTS = frozenset({"ssh", "scp", "sftp", "ssh-add", "ssh-agent"})
_HOME = "/home/"
_ENDINGS = (".pem", ".key")


class Reading(msgspec.Struct, frozen=True):
    """A read of a private key: when by the collector's clock (UTC ns), the event, by whom, and the path."""

    at: int
    uid: str
    person: Person
    path: str
    session: str = ""
    """Of the host's boot, by `session_work.key`: whose it is may be learnt later."""


class Login(msgspec.Struct):
    """A login with a key: when by the collector's clock and by the host's (UTC ns), where, and whose."""

    at: int
    time: int
    agent: str
    host: str
    user: str
    key: str
    source: str | None
    person: Person | None


class State(msgspec.Struct):
    """readings by account of the owner, logins by uid; used and accounts by fingerprint: logins, owners.

    since has by fingerprint and address when the key first came from there, readers by session whose keys
    were read in it.
    """

    readings: dict[str, list[Reading]] = {}
    logins: dict[str, Login] = {}
    used: dict[str, list[str]] = {}
    accounts: dict[str, list[str]] = {}
    since: dict[str, int] = {}
    readers: dict[str, list[str]] = {}


def uses(body: Read) -> bool:
    """Return whether an ssh client uses the key for its own account: who became that account sees no key."""
    actor = body.actor
    return actor is not None and actor.uid == body.owner and is_system_program(actor.exe, _CLIENTS)


def is_readers(state: State, login: Login, reading: Reading) -> bool:
    """Return whether a login is the reader's: by its person, or by an address new for the key since."""
    if login.person is not None and login.person.name == reading.person.name:
        return True
    source = login.source
    is_same = source is not None and source == reading.person.source
    return is_same and state.since.get(f"{login.key}|{source}", login.at) >= reading.at


def belongs(state: State, key: str, account: str) -> None:
    """Note that an account accepts, or lists, a key."""
    known = state.accounts.get(key, [])
    if account not in known:
        remember(state.accounts, key, [*known, account][-EACH:], KEYS)


def owner_of(path: str, *, is_list: bool = False) -> str | None:
    """Return the account whose private key a path is, or whose list of keys; None for other files."""
    home, _, name = path.rpartition("/.ssh/")
    is_private = name.startswith("id_") or name.endswith(_ENDINGS)
    if not home or (not is_list and (not is_private or name.endswith(".pub"))):
        return None
    if home == "/root":
        return "root"
    return base_name(home) if home.startswith(_HOME) else None


def order(reading: Reading) -> tuple[int, str]:
    """Return by what readings are put in order."""
    return reading.at, reading.uid

"""People who use the collector: passwords (Argon2id), roles, and API tokens, which are kept as hashes."""

from __future__ import annotations

import enum
import hashlib
import hmac
import re
import secrets

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from .errors import CollectorError
from .state_db import StateDb

PASSWORD_LENGTH = (12, 1024)
"""Fewest and most characters of a password."""
NAME = re.compile(r"[a-z][a-z0-9._-]{0,31}")
_LAST_USED_STEP = 60 * 1_000_000_000
"""Nanoseconds between two notes of an API token's use: not every request costs a synced write."""
_API_TOKEN = re.compile(r"vdu1\.([0-9a-f]{16})\.([A-Za-z0-9_-]{43})")


class Role(enum.StrEnum):
    """What a user may do; each may do what those before it may."""

    VIEWER = "viewer"
    ANALYST = "analyst"
    ADMIN = "admin"

    def includes(self, other: Role) -> bool:
        """Tell whether this role may do what other may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class User(msgspec.Struct, frozen=True):
    """A user; times are UTC ns."""

    name: str
    role: Role
    created: int
    disabled: int | None = None


class ApiToken(msgspec.Struct, frozen=True):
    """An API token as its owner sees it; times are UTC ns."""

    id: str
    user: str
    label: str
    created: int
    expires: int
    last_used: int | None
    revoked: int | None


class Users:
    """The users in state.db."""

    def __init__(self, db: StateDb, hasher: PasswordHasher | None = None) -> None:
        """Take the database; hasher sets the cost of a password (RFC 9106 by default)."""
        self._db = db
        self._hasher = hasher or PasswordHasher()
        self._nobody = self._hasher.hash(secrets.token_urlsafe(16))

    def check(self, name: str, password: str) -> None:
        """Check that a user of this name and password could be added.

        Raises:
            CollectorError: name or password are not permitted, or the name is taken.
        """
        least, most = PASSWORD_LENGTH
        if not NAME.fullmatch(name):
            raise CollectorError(
                f"user {name!r}: 1 to 32 of a-z, 0-9, dot, dash and underscore, first a letter"
            )
        if not least <= len(password) <= most:
            raise CollectorError(f"the password has {len(password)} characters; {least} to {most} are needed")
        if any(user.name == name for user in self.rows()):
            raise CollectorError(f"user {name}: exists already; see `vedette-collector user list`")

    def add(self, name: str, password: str, role: Role, now: int) -> None:
        """Add a user.

        Raises:
            CollectorError: as `check` says.
        """
        self.check(name, password)
        row = (name, self._hasher.hash(password), role.value, now)
        with self._db.transaction() as db:
            db.execute("INSERT INTO users (name, password, role, created) VALUES (?, ?, ?, ?)", row)

    def find(self, name: str) -> User:
        """Return one user.

        Raises:
            CollectorError: there is none of that name.
        """
        for user in self.rows():
            if user.name == name:
                return user
        raise CollectorError(f"no user {name}; see `vedette-collector user list`")

    def rows(self) -> list[User]:
        """Return all users by name."""
        with self._db.reading() as db:
            found = db.execute("SELECT name, role, created, disabled FROM users ORDER BY name").fetchall()
        return [_user(tuple(row)) for row in found]

    def disable(self, name: str, now: int) -> None:
        """Disable a user and revoke the user's API tokens."""
        with self._db.transaction() as db:
            db.execute("UPDATE users SET disabled = COALESCE(disabled, ?) WHERE name = ?", (now, name))
            db.execute("UPDATE api_tokens SET revoked = COALESCE(revoked, ?) WHERE user = ?", (now, name))

    def authenticate(self, name: str, password: str) -> User | None:
        """Return the user whose password this is, else None: as slowly for an unknown name as for a known."""
        with self._db.reading() as db:
            row = db.execute(
                "SELECT name, role, created, disabled, password FROM users WHERE name = ?", (name,)
            ).fetchone()
        try:
            self._hasher.verify(row["password"] if row else self._nobody, password[: PASSWORD_LENGTH[1]])
        except VerificationError:
            return None
        return None if row is None or row["disabled"] is not None else _user(tuple(row)[:4])

    def issue_token(self, user: str, label: str, now: int, expires: int) -> str:
        """Return a new API token of user, valid until expires (UTC ns); it is shown only this once."""
        token_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        with self._db.transaction() as db:
            db.execute(
                "INSERT INTO api_tokens (id, user, hash, label, created, expires) VALUES (?, ?, ?, ?, ?, ?)",
                (token_id, user, _hash(secret), label, now, expires),
            )
        return f"vdu1.{token_id}.{secret}"

    def check_token(self, token: str, now: int) -> User | None:
        """Return the user of an API token; None if it is wrong, expired or revoked, or the user disabled."""
        match = _API_TOKEN.fullmatch(token)
        if match is None:
            return None
        with self._db.reading() as db:
            row = db.execute(
                "SELECT u.name, u.role, u.created, u.disabled, t.hash, t.last_used FROM api_tokens t"
                " JOIN users u ON u.name = t.user"
                " WHERE t.id = ? AND t.revoked IS NULL AND t.expires > ? AND u.disabled IS NULL",
                (match[1], now),
            ).fetchone()
            if row is None or not hmac.compare_digest(row["hash"], _hash(match[2])):
                return None
        if now - (row["last_used"] or 0) > _LAST_USED_STEP:
            with self._db.transaction() as db:
                db.execute("UPDATE api_tokens SET last_used = ? WHERE id = ?", (now, match[1]))
        return _user(tuple(row)[:4])

    def tokens(self, user: str) -> list[ApiToken]:
        """Return a user's API tokens, the newest first."""
        names = ", ".join(ApiToken.__struct_fields__)
        with self._db.reading() as db:
            found = db.execute(
                f"SELECT {names} FROM api_tokens WHERE user = ? ORDER BY created DESC",  # noqa: S608 - our names
                (user,),
            ).fetchall()
        return [ApiToken(*row) for row in found]

    def revoke_token(self, user: str, token_id: str, now: int) -> bool:
        """Revoke an API token of user, and tell whether there was one."""
        with self._db.transaction() as db:
            done = db.execute(
                "UPDATE api_tokens SET revoked = COALESCE(revoked, ?) WHERE id = ? AND user = ?",
                (now, token_id, user),
            )
        return done.rowcount == 1


def _user(row: tuple[str, str, int, int | None]) -> User:
    name, role, created, disabled = row
    return User(name, Role(role), created, disabled)


def _hash(secret: str) -> bytes:
    """A secret of 256 random bits needs no slow hash."""
    return hashlib.sha256(secret.encode()).digest()

"""Logins, sessions and changes of identity, as sshd, sudo, su and PAM report them."""

from __future__ import annotations

from ..kind import Body, Endpoint


class _Login(Body, frozen=True, kw_only=True):
    """What login kinds share. program is the reporting service, such as ``sshd``; pid is its process."""

    lane = "priority"

    program: str
    user: str
    pid: int | None = None
    uid: int | None = None
    auid: int | None = None
    session: int | None = None


class Accepted(_Login, frozen=True, kw_only=True, tag="login.accepted"):
    """Somebody logged in; fingerprint is the accepted key's, such as ``SHA256:…``."""

    method: str | None = None
    fingerprint: str | None = None
    source: Endpoint | None = None
    local: Endpoint | None = None
    terminal: str | None = None


class Failed(_Login, frozen=True, kw_only=True, tag="login.failed"):
    """A login was refused; known is False when the user does not exist here."""

    method: str | None = None
    fingerprint: str | None = None
    source: Endpoint | None = None
    known: bool | None = None
    count: int = 1


class Disconnected(_Login, frozen=True, kw_only=True, tag="login.disconnected"):
    """A remote login's connection ended."""

    source: Endpoint | None = None


class SessionOpen(_Login, frozen=True, kw_only=True, tag="session.open"):
    """PAM opened a session for user; by is who asked for it, source where utmp names one."""

    by: str | None = None
    by_uid: int | None = None
    source: Endpoint | None = None
    terminal: str | None = None


class SessionClose(_Login, frozen=True, kw_only=True, tag="session.close"):
    """PAM closed a session of user."""

    terminal: str | None = None


class Sudo(_Login, frozen=True, kw_only=True, tag="privilege.sudo"):
    """user ran, or was refused, a command as target."""

    target: str | None = None
    command: str | None = None
    cwd: str | None = None
    terminal: str | None = None
    allowed: bool = True
    reason: str | None = None


class Su(_Login, frozen=True, kw_only=True, tag="privilege.su"):
    """user became, or failed to become, target."""

    target: str
    terminal: str | None = None
    allowed: bool = True


KINDS = (Accepted, Failed, Disconnected, SessionOpen, SessionClose, Sudo, Su)

"""Give up root for good: ship runs as a user that can read neither the host nor watch's keys."""

from __future__ import annotations

import ctypes
import os
import pwd

import msgspec

from ..errors import AgentError

SHIP_USER = "vedette-ship"
_FALLBACK_USER = "nobody"
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_LAST_CAPABILITY = 63


class Account(msgspec.Struct, frozen=True):
    """A user and its group, by number."""

    uid: int
    gid: int


def ship_account() -> Account | None:
    """Return the user ship runs as when started by root; None when this process is not root.

    That is `vedette-ship`, which the package makes; nobody where it does not exist.
    """
    if os.geteuid() != 0:
        return None
    for name in (SHIP_USER, _FALLBACK_USER):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(found.pw_uid, found.pw_gid)
    raise AgentError(f"no user {SHIP_USER} or {_FALLBACK_USER}: create one, or reinstall the package")


def drop(account: Account) -> None:
    """Become account, for this process and all its children: no groups, no capabilities, no way back.

    Raises:
        AgentError: the kernel refused a step; the caller must exit.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        for capability in range(_LAST_CAPABILITY + 1):
            libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
        os.setgroups([])
        os.setresgid(account.gid, account.gid, account.gid)
        os.setresuid(account.uid, account.uid, account.uid)
    except OSError as error:
        raise AgentError(f"cannot become uid {account.uid}: {error}") from error
    for option, value in ((_PR_SET_NO_NEW_PRIVS, 1), (_PR_SET_DUMPABLE, 0)):
        if libc.prctl(option, value, 0, 0, 0) != 0:
            raise AgentError(f"prctl({option}): {os.strerror(ctypes.get_errno())}")
    if 0 in (os.getuid(), os.geteuid(), os.getgid(), os.getegid()):
        raise AgentError("still root after giving up root")
    os.umask(0o027)

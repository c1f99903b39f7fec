"""Where an enrolment token comes from: a file, a systemd credential, the environment; never an argument."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from evidence import policy
from evidence.enrolment import Token, parse_token
from evidence.errors import EvidenceError

from ..errors import IdentityError

VARIABLE = "VEDETTE_TOKEN"
CREDENTIAL = "vedette.token"
"""The name under which systemd hands a token over (LoadCredential=)."""
WAITED_FOR = Path("/etc/vedette/token")
"""Where an installed host waits for a token."""
ENVIRONMENT_FILE = Path("/etc/vedette/enroll.env")
"""Where the unit that enrols takes its environment from."""
_LIMIT = 4096


class Found(msgspec.Struct, frozen=True):
    """A token, the policy key of its second line if any, and the file it came from if it was one.

    problem says who else may read that file.
    """

    token: Token
    policy_key: bytes | None = None
    file: Path | None = None
    problem: str | None = None


def find(file: Path | None, environment: Mapping[str, str], waited_for: Path = WAITED_FOR) -> Found | None:
    """Return the token named by file, else by systemd, else by the environment, else where one is waited for.

    Raises:
        IdentityError: file cannot be read, or what was found is no token; its secret is never shown.
    """
    if file is not None:
        return _from_file(file)
    folder = environment.get("CREDENTIALS_DIRECTORY")
    if folder and (Path(folder) / CREDENTIAL).exists():
        return msgspec.structs.replace(_from_file(Path(folder) / CREDENTIAL), file=None, problem=None)
    if environment.get(VARIABLE):
        return _parse(environment[VARIABLE], f"${VARIABLE}")
    return _from_file(waited_for) if waited_for.exists() else None


def ask() -> Found:
    """Return the token of standard input's first line.

    Raises:
        IdentityError: it is none.
    """
    line = sys.stdin.readline(_LIMIT)
    return _parse(line, f"--token-file FILE, ${VARIABLE}, {WAITED_FOR}, or standard input")


def _from_file(file: Path) -> Found:
    try:
        with file.open(encoding="utf-8") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            line = opened.read(_LIMIT)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise IdentityError(f"{file}: cannot be read: {reason}") from error
    open_to = stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO)
    problem = f"{file}: others may read it; `chmod 600 {file}`" if open_to else None
    return msgspec.structs.replace(_parse(line, str(file)), file=file, problem=problem)


def policy_key(file: Path) -> bytes:
    """Read a public key of policies.

    Raises:
        IdentityError: it cannot be read, or is none.
    """
    try:
        with file.open(encoding="utf-8") as opened:
            return policy.parse_key(opened.read(_LIMIT))
    except (OSError, UnicodeDecodeError, EvidenceError) as error:
        raise IdentityError(f"{file}: {error}") from error


def _parse(text: str, where: str) -> Found:
    """Read the token line, and the policy key where a second line holds one."""
    first, _, second = text.strip().partition("\n")
    try:
        return Found(parse_token(first), policy.parse_key(second) if second else None)
    except EvidenceError as error:
        raise IdentityError(f"{error} ({where})") from error

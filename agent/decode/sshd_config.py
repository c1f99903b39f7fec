"""Where sshd looks for authorized keys: AuthorizedKeysFile of sshd_config(5), where it is a plain path."""

from __future__ import annotations

import re

from .config_lines import config_lines

DEFAULT = (".ssh/authorized_keys", ".ssh/authorized_keys2")
_LINE = re.compile(r"(?i)authorizedkeysfile(?:\s*=\s*|\s+)(.+)")
_TOKEN = re.compile(r"%(.)")
_PATHS = 16


def key_files(configurations: list[bytes]) -> tuple[str, ...]:
    """Return the patterns that any file names, also for some users only; the default if none does."""
    found: dict[str, None] = {}
    named = False
    for raw in configurations:
        for line in config_lines(raw):
            match = _LINE.fullmatch(line)
            if match:
                named = True
                words = match[1].replace('"', " ").split()
                found.update(dict.fromkeys(word for word in words if word.lower() != "none"))
    return tuple(found)[:_PATHS] if named else DEFAULT


def key_path(pattern: str, *, name: str, home: str, uid: int | None) -> str | None:
    """Return the file that pattern means for an account; None where it has a token we do not know."""
    known = {"%": "%", "h": home, "u": name, "U": "" if uid is None else str(uid)}
    if any(token not in known for token in _TOKEN.findall(pattern)) or "\0" in pattern:
        return None
    path = _TOKEN.sub(lambda match: known[match[1]], pattern)
    return path if path.startswith("/") else f"{home.rstrip('/')}/{path}"

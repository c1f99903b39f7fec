"""Keys that open an account over ssh (sshd(8), AUTHORIZED_KEYS FILE FORMAT), by fingerprint."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator

from ..decode.config_lines import config_lines
from ..decode.sshd_config import key_path
from ..state_diff import Snapshot, as_lines
from ..state_source import Found, Homes, Place, Source

_TYPE = re.compile(r"(?:ssh|ecdsa|sk-ssh|sk-ecdsa)-[\w@.-]{1,60}")
_TEXT = 300


def parse(found: Found) -> Snapshot:
    """Return a line for each key: fingerprint, type, options, comment; one for each line that is no key."""
    return {found.path: as_lines(_line(text) for text in config_lines(found.content))}


def _line(text: str) -> str:
    options, key = _split(text)
    kind, _, rest = key.partition(" ")
    blob, _, comment = rest.strip().partition(" ")
    mark = _fingerprint(blob) if _TYPE.fullmatch(kind) else None
    if mark is None:
        return f"no key: {len(text)} characters"
    said = [mark, kind]
    if options:
        said.append(f"options {options[:_TEXT]}")
    if comment.strip():
        said.append(f"comment {comment.strip()[:_TEXT]}")
    return ", ".join(said)


def _split(text: str) -> tuple[str, str]:
    """Return (options, the rest); options end at the first blank that is not within double quotes."""
    if _TYPE.match(text):
        return "", text
    quoted = escaped = False
    for at, char in enumerate(text):
        if char in " \t" and not quoted:
            return text[:at], text[at:].strip()
        if char == '"' and not escaped:
            quoted = not quoted
        escaped = char == "\\" and not escaped
    return text, ""


def _fingerprint(blob: str) -> str | None:
    """Return ``SHA256:…`` as ssh-keygen -l shows it; None where blob is no base64."""
    try:
        raw = base64.b64decode(blob, validate=True)
    except (binascii.Error, ValueError):
        return None
    if not raw:
        return None
    return "SHA256:" + base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")


def _places(homes: Homes) -> Iterator[Place]:
    for account in homes.accounts:
        for pattern in homes.key_files:
            path = key_path(pattern, name=account.name, home=account.home, uid=account.uid)
            if path is not None:
                folder, _, name = path.rpartition("/")
                yield Place(folder or "/", name)


SOURCE = Source("authorized_keys", _places, parse)

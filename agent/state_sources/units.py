"""Units of systemd (systemd.unit(5)): what they run and when, drop-ins, and what is enabled by a link."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..decode.config_lines import config_lines
from ..state_diff import Snapshot, as_lines
from ..state_source import Found, Homes, Place, Source

_UNIT = re.compile(r"(?:service|timer|socket|path|mount|automount|target|conf)")
_SECTION = re.compile(r"\[([\w-]{1,64})\]")
_NAMES_ONLY = frozenset({"Environment", "PassEnvironment", "SetCredential", "SetCredentialEncrypted"})
_VARIABLE = re.compile(r"([A-Za-z_]\w{0,127}|[\w.-]{1,128})[=:]")
_FOLDERS = (
    *("/etc/systemd/system", "/etc/systemd/user"),
    *("/run/systemd/system", "/run/systemd/user", "/run/systemd/transient"),
)


def parse(found: Found) -> Snapshot:
    """Return lines such as ``Service.ExecStart=/bin/x``, or the target of a link; none for other files."""
    if not _UNIT.fullmatch(found.path.rpartition(".")[2]):
        return {}
    if found.target is not None:
        return {found.path: {f"link to {found.target}": ""}}
    return {found.path: as_lines(_directives(found.content))}


def _directives(content: bytes) -> Iterator[str]:
    section = ""
    for line in config_lines(content, lambda line: line[0] in "#;", continued=True):
        named = _SECTION.fullmatch(line)
        if named:
            section = named[1]
            continue
        key, separator, value = line.partition("=")
        key, value = key.strip(), " ".join(value.split())
        if separator:
            yield f"{section}.{key}={_names(value) if key in _NAMES_ONLY else value}"


def _names(value: str) -> str:
    """Return the names of variables or credentials alone: their values may be secret."""
    return " ".join(_VARIABLE.findall(value)) or f"{len(value)} characters"


def _places(homes: Homes) -> Iterator[Place]:
    for folder in _FOLDERS:
        yield Place(folder, deep=True)
    for home in dict.fromkeys(account.home.rstrip("/") for account in homes.accounts):
        yield Place(f"{home}/.config/systemd/user", deep=True)


SOURCE = Source("units", _places, parse, packaged=True, links=True)

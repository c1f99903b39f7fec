"""Who may run what as whom (sudoers(5)): the lines that say something."""

from __future__ import annotations

from ..decode.config_lines import config_lines
from ..state_diff import Snapshot, as_lines
from ..state_source import Found, Place, Source

_INCLUDES = ("#include ", "#includedir ")


def parse(found: Found) -> Snapshot:
    """Return the lines; one that begins with #include or with #UID is no comment."""
    lines = config_lines(found.content, _is_comment, continued=True)
    return {found.path: as_lines(" ".join(line.split()) for line in lines)}


def _is_comment(line: str) -> bool:
    return line.startswith("#") and not line.startswith(_INCLUDES) and not line[1:2].isdigit()


SOURCE = Source(
    "sudoers", lambda _homes: (Place("/etc", "sudoers"), Place("/etc/sudoers.d")), parse, packaged=True
)

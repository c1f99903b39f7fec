"""Lines of configuration files: comments and blank lines out, continued lines joined if asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator


def config_lines(
    raw: bytes,
    is_comment: Callable[[str], bool] = lambda line: line.startswith("#"),
    *,
    continued: bool = False,
) -> Iterator[str]:
    """Yield the lines that say something, without blanks around them.

    continued: a backslash at the end of a line, other than a comment, joins the next one. Where the format
    does not say so it must stay off, or a line could be hidden in the one before.
    """
    pending = ""
    for line in raw.decode("utf-8", "replace").split("\n"):
        text = line.strip()
        if not text and not pending:
            continue
        if not pending and is_comment(text):
            continue
        if continued and text.endswith("\\"):
            pending += text[:-1].rstrip() + " "
            continue
        yield (pending + text).strip()
        pending = ""
    if pending.strip():
        yield pending.strip()

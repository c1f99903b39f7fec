"""Spans of time as people type them: ``90s``, ``30m``, ``12h``, ``7d``."""

from __future__ import annotations

import argparse
import re

_FORM = re.compile(r"([1-9][0-9]{0,8})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def nanoseconds(text: str) -> int:
    """Return a span in nanoseconds; made to be an argument's type.

    Raises:
        argparse.ArgumentTypeError: it is not of that form.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r}: write a number and s, m, h or d, such as 12h or 7d")
    return int(match[1]) * _SECONDS[match[2]] * 1_000_000_000

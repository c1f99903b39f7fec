"""`vedette export`: events as OCSF, Parquet or CSV, or the evidence of an alert as a bundle."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from .. import http
from ..command import FINE, Call, Command, times
from ..errors import ClientError
from ..text import size
from ..whole_file import copy, whole


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("query", nargs="*", help="which events, as in `vedette search`; all without it")
    parser.add_argument("--format", choices=("ocsf", "parquet", "csv", "bundle"), required=True)
    parser.add_argument("--out", metavar="FILE", required=True, help="where to; - for stdout")
    parser.add_argument("--alert", metavar="ID", help="with --format bundle: the alert whose evidence it is")
    times(parser)


def _run(call: Call) -> int:
    options = call.options
    api = http.connect(call)
    if options.format == "bundle":
        if options.query:
            raise ClientError("a bundle is of an alert or an interval: give --alert ID, or --from and --to")
        if options.alert is None and (options.begin is None or options.end is None):
            raise ClientError("of what? type: vedette export --format bundle --alert ID --out FILE")
        stream = api.stream("/v1/bundle", alert=options.alert, begin=options.begin, end=options.end)
    else:
        query = " ".join(options.query) or None
        stream = api.stream(
            "/v1/export", format=options.format, query=query, begin=options.begin, end=options.end
        )
    with stream as parts:
        written = _write(call, parts)
    if call.screen.as_json and options.out != "-":
        call.screen.value({"file": options.out, "format": options.format, "bytes": written})
    elif options.out != "-":
        call.screen.note(f"{options.out}: {size(written)}")
        if options.format == "bundle":
            call.screen.note(f"check it anywhere: vedette verify {options.out} --trust RECEIPTS")
    return FINE


def _write(call: Call, parts: Iterator[bytes]) -> int:
    if call.options.out == "-":
        return copy(call.screen, parts, sys.stdout.buffer, "-")
    with whole(Path(call.options.out)) as stream:
        return copy(call.screen, parts, stream, call.options.out)


COMMAND = Command("export", "write events or evidence to a file", _run, _arguments)

"""`spool export`: copy what waits, as the request bodies ship would post, into one file."""

from __future__ import annotations

import argparse
import struct
from pathlib import Path

from evidence import seal

from .. import identity
from ..command import FINE, Command, Invocation
from ..errors import SpoolError
from ..layout import Layout
from ..spool import segment, survey
from ..spool.disk import LocalDisk

_LENGTH = struct.Struct(">I")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", type=Path, help="written anew: u32 length and request body, one after another"
    )


def _run(call: Invocation) -> int:
    layout = Layout(call.settings().state)
    identity.read(layout)
    key = identity.read_key(layout.spool_key)
    try:
        count = _export(LocalDisk(), layout, key, call.options.file)
    except OSError as error:
        raise SpoolError(f"{error.filename or call.options.file}: {error.strerror}") from error
    if call.console.as_json:
        call.console.value({"statements": count, "file": str(call.options.file)})
    else:
        call.console.line(f"{count} statements in {call.options.file}")
    return FINE


def _export(disk: LocalDisk, layout: Layout, key: bytes, file: Path) -> int:
    """Write every unacknowledged statement with the data that can be read; return how many."""
    told = survey.read_progress(disk, layout.spool)
    count = 0
    with file.open("xb") as out:
        for name, item in survey.stored(disk, layout.spool):
            if told.acked(name.lane).covers(item.seq):
                continue
            path = layout.out / str(segment.Name(name.lane, name.first, segment.DATA))
            try:
                data = segment.read_data(disk, path, key, item)
            except (OSError, SpoolError):
                data = b""
            body = seal.request_body(item.envelope, data)
            out.write(_LENGTH.pack(len(body)) + body)
            count += 1
    return count


COMMAND = Command("spool export", "copy what waits into a file", _run, _arguments)

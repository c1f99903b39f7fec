"""A file that appears only once it is whole, for its user alone, and a stream written with progress shown."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from .errors import ClientError
from .screen import Screen


@contextlib.contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """Give a file that appears at path only once the block has ended well.

    Raises:
        ClientError: it cannot be written there.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ClientError(f"{path}: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
        new.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            new.unlink()
        raise


def copy(screen: Screen, parts: Iterator[bytes], stream: BinaryIO, where: str) -> int:
    """Write parts to stream and return how many bytes they were."""
    written = 0
    with screen.progress(f"export to {where}") as bar:
        for part in parts:
            stream.write(part)
            written += len(part)
            bar.update(bar.task_ids[0], completed=written)
    return written

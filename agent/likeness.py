"""What execs of one parent, program and place have in common, as decoded and as enriched: made once for all.

The next of them is made from what the enrichments made of the first, as long as they would do the same again.
"""

from __future__ import annotations

import msgspec

from evidence.kinds.process import Exec

FRESH = 1_000_000_000
"""Nanoseconds for which the names of accounts and paths that enrichments read are not doubted."""


class Likeness(msgspec.Struct, gc=False, eq=False):
    """plain is what was decoded, full what the enrichments made of it, None while that is not known.

    full holds for this version of the table of processes and until this time (monotonic ns).
    """

    plain: Exec
    full: Exec | None = None
    version: int = 0
    until: int = 0

    def holds(self, version: int, mono: int) -> bool:
        """Return whether what is made from full is enriched as it would be now."""
        return self.full is not None and self.version == version and mono < self.until

    def anew(self, body: Exec) -> Exec:
        """Return body as if it were the first, for what it was made from holds no longer."""
        if self.full is None:
            return body
        self.full = None
        return msgspec.structs.replace(
            self.plain,
            pid=body.pid,
            start=body.start,
            argv=body.argv,
            argv_length=body.argv_length,
            environment=body.environment,
            escaped=body.escaped,
        )

    def learn(self, done: Exec, version: int, mono: int) -> None:
        """Take an enriched exec for what all of them become.

        But for one in a container whose path on the host was not found: of another it may be.
        """
        if done.container is None or done.host_exe is not None:
            self.full = msgspec.structs.replace(done, environment=None, escaped=self.plain.escaped)
            self.version, self.until = version, mono + FRESH

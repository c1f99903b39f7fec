"""A download by sftp through a jump host: on the last host the bytes go to the bastion, not to a stranger."""

from __future__ import annotations

from ..props import DESIGN_BYTES, designs
from ..scenario import Person, Scenario, Step, Truth
from ..twins import Draw


def _twin(draw: Draw) -> tuple[Step, ...]:
    look = draw.one_of("uptime", "ls /srv", "df /", "tail -n 5 /etc/services")
    return (Step("jill", f'ssh -J jill@bastion jill@app "{look}"'),)


SCENARIO = Scenario(
    number=2,
    title="sftp get through a jump host, whose network is listed as a known one",
    people=(Person("jack", ("bastion", "app")), Person("jill", ("bastion", "app"))),
    prepared=(designs("app"),),
    steps=(Step("jack", "echo 'get -r /srv/designs /tmp/jack' | sftp -q -b - -J jack@bastion jack@app"),),
    twin_title="a look at the same host, over the same way",
    twin=_twin,
    truth=Truth("jack", ("bastion", "app"), ("inbound-download",), DESIGN_BYTES),
)

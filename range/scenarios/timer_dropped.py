"""A cron entry dropped by hand, that calls outside each minute."""

from __future__ import annotations

from ..scenario import BACKUP, EVERYTHING, HTTP, STRANGER, Person, Prepared, Scenario, Step, Truth
from ..twins import Draw

_ENTRY = "* * * * * root curl -sS --noproxy '*' -o /dev/null http://{server}:{port}/ping"
_NEXT_MINUTE = "sleep $((62 - 10#$(date +%S)))"
_PACKAGE = f"""\
folder=$(mktemp -d)
mkdir -p $folder/DEBIAN $folder/etc/cron.d
cat > $folder/DEBIAN/control <<END
Package: sitestats
Version: 1
Architecture: all
Maintainer: x
Description: x
END
echo "{_ENTRY.format(server=BACKUP, port=HTTP)}" > $folder/etc/cron.d/sitestats
dpkg-deb --build --root-owner-group $folder /srv/sitestats.deb > /dev/null
"""


def _twin(_draw: Draw) -> tuple[Step, ...]:
    return (Step("carl", f"ssh carl@db 'sudo dpkg -i /srv/sitestats.deb > /dev/null'; {_NEXT_MINUTE}"),)


SCENARIO = Scenario(
    number=20,
    title="a cron entry dropped by hand calls outside",
    people=(Person("cora", ("db",), EVERYTHING), Person("carl", ("db",), EVERYTHING)),
    prepared=(Prepared("db", _PACKAGE),),
    steps=(
        Step(
            "cora",
            f'ssh cora@db "echo \\"{_ENTRY.format(server=STRANGER, port=HTTP)}\\" '
            f'| sudo tee /etc/cron.d/sync > /dev/null"; {_NEXT_MINUTE}',
        ),
    ),
    twin_title="a package brings such an entry, that calls the site's own backup host",
    twin=_twin,
    twin_runs=1,
    truth=Truth("cora", ("db",), ("persistence-egress",)),
)

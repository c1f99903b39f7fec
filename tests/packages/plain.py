"""Our units and commands put into a root from this tree, as packages would, without packages.

For the release whose Python runs the tree's own environment: it shows whether the units' filters leave the
programs what they need, in a minute and without a build.
"""

from __future__ import annotations

import site
from pathlib import Path

from tests.packages.container import Container

TREE = Path(__file__).parents[2]
BINDS = {TREE: "/opt/vedette", Path(site.getsitepackages()[0]): "/opt/site"}
_UNITS = TREE / "packaging" / "systemd"
_STUB = """#!/bin/sh
exec /usr/bin/python3 -I -B -m {module} "$@"
"""


def install(container: Container) -> None:
    """Put commands and units where a package puts them."""
    for command, module in (
        ("vedette-agent", "agent.cli"),
        ("vedette-collector", "collector.cli"),
        ("vedette", "client.cli"),
    ):
        container.put(f"/usr/bin/{command}", _STUB.format(module=module), 0o755)
    container.put("/usr/local/lib/python3.11/dist-packages/vedette.pth", "/opt/vedette\n/opt/site\n")
    for path in sorted(_UNITS.iterdir()):
        name, _, kind = path.name.partition(".")
        if kind in ("service", "path"):
            container.put(f"/usr/lib/systemd/system/{path.name}", path.read_text())
        elif kind.endswith(".conf"):
            container.put(f"/usr/lib/{kind.removesuffix('.conf')}.d/{name}.conf", path.read_text())

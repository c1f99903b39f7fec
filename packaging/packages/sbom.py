"""The bill of materials of a package, as CycloneDX 1.5 JSON; the same parts give the same bytes."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from runtime.toolchain import EPOCH

from .notices import Component

_SPACE = uuid.UUID("7b6d3f0e-6d0c-5a5e-9b9e-1f2a0c9f4b11")
"""Of the serial numbers, which CycloneDX wants as UUIDs."""


def document(package: str, version: str, found: Sequence[Component]) -> bytes:
    """Return the bill of package at version with the components found.

    Format: https://cyclonedx.org/docs/1.5/json/
    """
    rows = [_component(one) for one in sorted(found, key=lambda one: one.name)]
    root = f"pkg:generic/{package}@{version}"
    serial = uuid.uuid5(_SPACE, json.dumps([root, rows], sort_keys=True))
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(int(EPOCH), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application",
                "bom-ref": root,
                "name": package,
                "version": version,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            },
        },
        "components": rows,
        "dependencies": [{"ref": root, "dependsOn": [row["bom-ref"] for row in rows]}],
    }
    return (json.dumps(bill, indent=1) + "\n").encode()


def _component(one: Component) -> dict[str, Any]:
    kind = "pypi" if one.origin == "wheel" else "generic"
    address = f"pkg:{kind}/{one.name}@{one.version}"
    return {
        "type": "library",
        "bom-ref": address,
        "name": one.name,
        "version": one.version,
        "purl": address,
        "licenses": [{"expression": one.licence}],
        "hashes": [{"alg": "SHA-256", "content": one.sha256}],
    }

"""The copyright file with everybody's licences, and the changelogs."""

from __future__ import annotations

import gzip
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from runtime.toolchain import EPOCH

from .product import ROOT

MAINTAINER = "Vedette maintainers <maintainers@vedette.invalid>"
_EMPTY_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True)
class Component:
    """One bundled work of others, as runtime lists it."""

    name: str
    version: str
    licence: str  # SPDX expression
    texts: tuple[Path, ...]
    sha256: str
    origin: str  # "source" or "wheel"


def components(folder: Path) -> list[Component]:
    """Return what folder/components.json lists."""
    return [
        Component(
            row["name"],
            row["version"],
            row["licence"],
            tuple(folder / text for text in row["licence_texts"]),
            row["sha256"],
            row["origin"],
        )
        for row in json.loads((folder / "components.json").read_text())
    ]


def copyright_text(found: list[Component]) -> str:
    """Return the copyright file: our licence, then each bundled component with its licence texts."""
    parts = [
        "Vedette is distributed under the Apache License, version 2.0, found on Debian systems in",
        "/usr/share/common-licenses/Apache-2.0 and at https://www.apache.org/licenses/LICENSE-2.0.",
        "Copyright (C) 2026 the authors of Vedette.",
        "",
        "This package bundles the works of others that are listed here, each with its licence.",
        *(f"  {one.name} {one.version}: {one.licence}" for one in found),
    ]
    for one in found:
        title = f"{one.name} {one.version} ({one.licence})"
        parts += ["", "-" * 100, title, ""]
        parts += [_tidy(text.read_text(errors="replace")) for text in one.texts] or [
            "The distribution carries no separate licence text."
        ]
    return "\n".join(parts) + "\n"


def _tidy(text: str) -> str:
    return _EMPTY_LINES.sub(
        "\n\n", "\n".join(line.rstrip() for line in text.expandtabs().splitlines())
    ).strip()


def changelog(name: str, version: str) -> str:
    """Return the changelog of a package for nfpm: where the changes of this version are told."""
    when = datetime.fromtimestamp(int(EPOCH), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        f"- semver: {version}\n"
        f"  date: {when}\n"
        f"  packager: {MAINTAINER}\n"
        "  deb: {urgency: medium, distributions: [stable]}\n"
        f"  changes:\n    - note: What changed is told in /usr/share/doc/{name}/changelog.gz\n"
    )


def write(name: str, version: str, parts: Path, target: Path) -> None:
    """Write copyright, changelog.yaml (for nfpm) and changelog.gz into target; parts has components.json."""
    target.mkdir(parents=True, exist_ok=True)
    (target / "copyright").write_text(copyright_text(components(parts)))
    (target / "changelog.yaml").write_text(changelog(name, version))
    told = gzip.compress((ROOT / "CHANGELOG.md").read_bytes(), 9, mtime=0)
    (target / "changelog.gz").write_bytes(told)

"""The list of bundled components with their licences, from the table of sources and from the wheels."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from typing import Literal

from . import apt
from .errors import BuildFailed
from .sources import Source

_LICENCE_FILE = re.compile(r"(licen[sc]e|copying|notice|authors)", re.IGNORECASE)
_SPDX = {
    "BSD-3-Clause license": "BSD-3-Clause",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "BSD-3-Clause and Public-Domain": "BSD-3-Clause",
}


_CALLED = {"python3.13": "cpython", "sqlite3": "sqlite", "xz-utils": "xz"}
"""Debian's name of a source to its makers' name, where they differ."""


@dataclass(frozen=True)
class Component:
    """One thing that a package bundles, which others made."""

    name: str
    version: str
    licence: str  # SPDX expression
    licence_texts: tuple[str, ...]  # relative to the folder of components.json
    sha256: str
    origin: Literal["source", "wheel"]


def from_sources(sources: Sequence[Source], folder: Path, target: Path) -> Iterator[Component]:
    """Yield a component for each source, its licence texts copied below target.

    Raises:
        BuildFailed: a source lacks the licence text its row names.
    """
    for source in sources:
        called = _CALLED.get(source.name, source.name)
        original = apt.fetched(source, folder)[0]
        texts = []
        with tarfile.open(original) as archive:
            top = archive.getnames()[0].split("/")[0]
            for name in source.licence_files:
                opened = archive.extractfile(f"{top}/{name}")
                if opened is None:
                    raise BuildFailed(f"{source.name} has no {name}")
                texts.append(_copy(opened.read(), called, Path(name).name, target))
        sha256 = next(iter(source.files.values()))
        yield Component(called, source.upstream, source.licence, tuple(texts), sha256, "source")


def from_wheels(site: Path, hashes: dict[str, str], target: Path) -> Iterator[Component]:
    """Yield a component for each distribution in site, its licence texts copied below target.

    hashes is canonical name to sha256 of the file it was installed from.

    Raises:
        BuildFailed: a distribution says nothing of its licence.
    """
    for info in sorted(site.glob("*.dist-info")):
        metadata = HeaderParser().parsestr((info / "METADATA").read_text())
        name = re.sub(r"[-_.]+", "-", metadata["Name"]).lower()
        files = [
            path for path in sorted(info.rglob("*")) if path.is_file() and _LICENCE_FILE.search(path.name)
        ]
        texts = tuple(
            _copy(path.read_bytes(), name, str(path.relative_to(info)).removeprefix("licenses/"), target)
            for path in files
        )
        yield Component(name, metadata["Version"], _licence(metadata), texts, hashes[name], "wheel")


def _copy(text: bytes, component: str, name: str, target: Path) -> str:
    path = target / "licences" / component / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    return str(path.relative_to(target))


def _licence(metadata: Message) -> str:
    """Return the SPDX expression of a distribution.

    Raises:
        BuildFailed: it names none that is known.
    """
    if expression := metadata["License-Expression"]:
        return str(expression)
    classifiers = [
        value.rpartition("::")[2].strip()
        for value in metadata.get_all("Classifier", [])
        if value.startswith("License ::")
    ]
    for said in (str(metadata["License"] or "").strip(), *classifiers):
        if spdx := _SPDX.get(said, said if re.fullmatch(r"[A-Za-z]+-[\w.-]+|MIT|ISC", said) else None):
            return spdx
    raise BuildFailed(f"{metadata['Name']} names no licence: {metadata['License']!r:.80}, {classifiers}")


def write(found: Sequence[Component], target: Path) -> None:
    """Write components.json into target, ordered by name."""
    listed = [asdict(component) for component in sorted(found, key=lambda component: component.name)]
    (target / "components.json").write_text(json.dumps(listed, indent=1) + "\n")

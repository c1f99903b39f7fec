"""OpenPGP keys that sign packages and repositories: gpg with a home of its own, which is gone afterwards."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from runtime import shell

from .errors import KeyUnusable


class Keys:
    """A gpg home in the folder home."""

    def __init__(self, home: Path) -> None:
        self._gpg: tuple[str | Path, ...] = ("gpg", "--homedir", home, "--batch", "--yes", "--no-tty")
        self._home = home

    def add(self, file: Path) -> str:
        """Take in the keys of file, secret or public, armoured or not; return the first one's fingerprint.

        Raises:
            KeyUnusable: the file holds no key.
        """
        if not file.is_file():
            raise KeyUnusable(f"{file}: no such key file")
        found = subprocess.run(
            [*self._gpg, "--with-colons", "--import-options", "show-only", "--import", file],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        prints = [line.split(":")[9] for line in found.splitlines() if line.startswith("fpr:")]
        if not prints:
            raise KeyUnusable(f"{file}: holds no OpenPGP key")
        shell.run([*self._gpg, "--import", file], self._home)
        return prints[0]

    def clearsign(self, file: Path, target: Path, key: str) -> None:
        """Write file with its signature by key into target."""
        shell.run([*self._gpg, "-u", key, "--output", target, "--clearsign", file], self._home)

    def detach(self, file: Path, target: Path, key: str) -> None:
        """Write the armoured signature of file by key into target."""
        shell.run([*self._gpg, "-u", key, "--armor", "--output", target, "--detach-sign", file], self._home)

    def export(self, fingerprints: Sequence[str], target: Path, *, armoured: bool) -> None:
        """Write the public parts of the keys into target."""
        how = ["--armor"] if armoured else []
        command = [*self._gpg, *how, "--export-options", "export-minimal", "--output", target]
        shell.run([*command, "--export", *fingerprints], self._home)


@contextmanager
def keys() -> Iterator[Keys]:
    """Yield an empty gpg home; it is deleted with its secret keys at the end.

    Raises:
        ToolMissing: gpg is not installed.
    """
    shell.need({"gpg": "gnupg"})
    home = Path(tempfile.mkdtemp(prefix="vedette-gpg-"))
    try:
        yield Keys(home)
    finally:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], capture_output=True, check=False)
        shutil.rmtree(home, ignore_errors=True)

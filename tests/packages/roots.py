"""Root folders of Debian releases, made once by mmdebstrap and kept in the build cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from tests.packages.errors import RootFailed

CACHE = Path(os.environ.get("VEDETTE_BUILD_CACHE") or Path(__file__).parents[2] / "build")
INCLUDED = (
    *("systemd", "systemd-sysv", "dbus", "libpam-systemd", "procps", "iproute2", "ca-certificates"),
    *("openssh-server", "openssh-client", "rsyslog", "sudo", "python3", "libbpf1"),
)
"""What a small server has, and Python and libbpf for units that run from a plain tree."""
_LEAVE_OUT = ("/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")
_MINUTES = 15


def root(suite: str, extra: tuple[str, ...] = ()) -> Path:
    """Return the folder with the root of suite, such as ``bookworm``; it is never written to.

    extra are packages that it has beside `INCLUDED`.

    Raises:
        RootFailed: mmdebstrap is missing, or could not make it; with what it said.
    """
    included = (*INCLUDED, *extra)
    key = hashlib.sha256(" ".join((*included, *_LEAVE_OUT)).encode()).hexdigest()[:12]
    made = CACHE / "roots" / f"{suite}-{key}"
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        unfinished = made.with_name(f"{made.name}.{os.getpid()}")
        try:
            _make(suite, unfinished, included)
            unfinished.rename(made)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return made


def _make(suite: str, target: Path, included: tuple[str, ...]) -> None:
    if shutil.which("mmdebstrap") is None:
        raise RootFailed("mmdebstrap is not installed; run packaging/prerequisites.sh boot as root")
    mirror = _mirror()
    command = [
        *("mmdebstrap", "--variant=minbase", "--format=directory", f"--include={','.join(included)}"),
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEAVE_OUT),
        "--dpkgopt=force-unsafe-io",  # a root that was not finished is thrown away
        *(suite, str(target), *([mirror] if mirror else [])),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_MINUTES * 60)
    if done.returncode != 0:
        raise RootFailed(f"mmdebstrap made no root of {suite}:\n{done.stderr[-4000:]}")


def _mirror() -> str | None:
    """Return the mirror that this machine takes Debian's packages from; None where it names none."""
    asked = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN) $(COMPONENT) $(RELEASE) $(REPO_URI)"],
        capture_output=True,
        text=True,
        check=False,
    )
    for line in asked.stdout.splitlines():
        words = line.split()
        if len(words) == 4 and words[:2] == ["Debian", "main"] and "-" not in words[2]:
            return words[3]
    return None

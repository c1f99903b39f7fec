"""Tries on a ground what test hosts are made of, so that a machine that forbids it is known in a moment."""

from __future__ import annotations

import subprocess
import sys

from . import ground

_STEPS = (
    "ip link set lo up",
    "ip link add probe type bridge",
    "ip link add probe1 type veth peer name probe2",
    "mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root",
    "mount -t bpf bpf root",
)


def main() -> int:
    """Return 0 if every step works; the last line on stderr says what does not."""
    try:
        folder = ground.prepare()
    except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for name in ("upper", "work", "root"):
        (folder / name).mkdir()
    for step in _STEPS:
        done = subprocess.run(step.split(), cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.stderr.write(f"`{step}`: {done.stderr.strip().splitlines()[-1:]}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

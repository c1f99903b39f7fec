"""Where the agent keeps its state, who may read what, and how the folders are made.

``watch/`` is watch's alone (0700): identity, signing key, receipts. ``ship/`` is ship's alone: TLS key and
certificate, CA bundle. ``spool/`` joins them: ``key`` 0640, ``out/`` written by watch and read by ship,
``in/`` the other way.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from .errors import IdentityError
from .supervision.privilege import Account


class Layout(msgspec.Struct, frozen=True):
    """The paths below settings.state."""

    state: Path

    @property
    def watch(self) -> Path:
        """Folder of watch's own state."""
        return self.state / "watch"

    @property
    def identity(self) -> Path:
        """What enrolment gave, with a checksum; written once."""
        return self.watch / "identity.json"

    @property
    def signing_key(self) -> Path:
        """The host's signing key: 32 raw bytes."""
        return self.watch / "signing.key"

    @property
    def memory(self) -> Path:
        """Folder of receipts and checkpoints."""
        return self.watch / "receipts"

    @property
    def ship(self) -> Path:
        """Folder of ship's own state."""
        return self.state / "ship"

    @property
    def certificate(self) -> Path:
        """The TLS client key and its certificate in one PEM file, so that a renewal replaces both at once."""
        return self.ship / "tls.pem"

    @property
    def ca(self) -> Path:
        """The CA bundle, PEM; may hold two anchors."""
        return self.ship / "ca.pem"

    @property
    def binding(self) -> Path:
        """The agent id and the machine it was enrolled on, for ship to compare."""
        return self.ship / "binding.json"

    @property
    def spool(self) -> Path:
        """The joint between watch and ship."""
        return self.state / "spool"

    @property
    def out(self) -> Path:
        """Written by watch, read by ship."""
        return self.spool / "out"

    @property
    def inbox(self) -> Path:
        """Written by ship, read by watch as hostile."""
        return self.spool / "in"

    @property
    def handed_policy(self) -> Path:
        """The policies that ship fetched last; watch trusts only their signatures."""
        return self.inbox / "policy"

    @property
    def spool_key(self) -> Path:
        """The key that wraps the segments' keys: 32 raw bytes."""
        return self.spool / "key"


def watch_owner(layout: Layout) -> Account | None:
    """Return the user that a package made watch's folder for; None where it is this process's own."""
    try:
        found = layout.watch.stat()
    except OSError:
        return None
    return None if found.st_uid == os.geteuid() else Account(found.st_uid, found.st_gid)


def prepare(layout: Layout, account: Account | None, keeper: Account | None = None) -> None:
    """Make the folders that are missing, with their modes.

    account is ship's where it has one of its own, keeper is watch's where root prepares for it. Started by
    another user than root, what somebody else made stays as it is: a package's folders carry ship's group.
    The set-group-id bit hands that down to the files in `out/` and `in/`.

    Raises:
        IdentityError: a folder cannot be made; says which and why.
    """
    shared = account is not None
    folders = (
        (layout.state, 0o711, None, None),
        (layout.watch, 0o700, keeper, keeper),
        (layout.memory, 0o700, keeper, keeper),
        (layout.ship, 0o700, account, account),
        (layout.spool, 0o750, keeper, account),
        (layout.spool / "quarantine", 0o700, keeper, keeper),
        (layout.out, 0o2750 if shared else 0o750, keeper, account),
        (layout.inbox, 0o2770 if shared else 0o770, keeper, account),
    )
    for path, mode, owner, group in folders:
        try:
            path.mkdir(parents=True, exist_ok=True)
            if shared:
                os.chown(path, owner.uid if owner else -1, group.gid if group else -1)
            if shared or _is_own(path):
                path.chmod(mode)
        except OSError as error:
            raise IdentityError(f"{path}: {error.strerror}; run as root, or set `state`") from error


def _is_own(path: Path) -> bool:
    found = path.stat()
    return (found.st_uid, found.st_gid) == (os.geteuid(), os.getegid())

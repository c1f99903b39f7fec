"""The fleet's policy as commands show it: read of what watch kept, and never changed."""

from __future__ import annotations

import msgspec

from evidence import policy_settings
from evidence.errors import EvidenceError

from ..errors import SettingsError
from ..layout import Layout
from ..settings import Settings
from ..spool.disk import LocalDisk
from . import policy_rules
from .fleet_policy import merged
from .policy_store import PolicyStore


class Held(msgspec.Struct, frozen=True):
    """The policy that holds, the settings with it, and the dotted names of those it says."""

    name: str
    version: int
    settings: Settings
    names: tuple[str, ...]


def held(local: Settings) -> Held | None:
    """Return what holds over a host's own settings; None where nothing does, or it cannot be read."""
    if not local.policy.accept:
        return None
    kept = PolicyStore(Layout(local.state).watch, LocalDisk()).load().kept
    if kept is None or kept.envelope is None or kept.told in (None, "kept out"):
        return None
    try:
        found = policy_rules.again(kept.envelope.encode(), kept.trust)
        said = found.settings
        said = policy_settings.without_filters(said) if kept.told == "ended" else said
        return Held(found.name, found.version, merged(local, said), policy_settings.names(said))
    except (EvidenceError, SettingsError, UnicodeEncodeError):
        return None

"""Capabilities as text: the attribute security.capability in the form of getcap(8), and sets by name."""

from __future__ import annotations

import functools
import struct

_NAMES = (
    *("chown", "dac_override", "dac_read_search", "fowner", "fsetid"),
    *("kill", "setgid", "setuid", "setpcap", "linux_immutable"),
    *("net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock"),
    *("ipc_owner", "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace"),
    *("sys_pacct", "sys_admin", "sys_boot", "sys_nice", "sys_resource"),
    *("sys_time", "sys_tty_config", "mknod", "lease", "audit_write"),
    *("audit_control", "setfcap", "mac_override", "mac_admin", "syslog"),
    *("wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf"),
    *("checkpoint_restore"),
)
_EFFECTIVE = 1
_REVISIONS = {0x01000000: (1, 12), 0x02000000: (2, 20), 0x03000000: (2, 24)}
"""Revision: number of 32-bit words of each set, bytes in all (linux/capability.h)."""


@functools.lru_cache(256)
def capability_names(bits: int) -> tuple[str, ...]:
    """Return the names of a set, such as ``cap_net_raw``."""
    return tuple(_name(bit) for bit in range(bits.bit_length()) if bits >> bit & 1)


def capability_text(raw: bytes) -> str | None:
    """Return such as ``cap_net_raw+ep``; None when raw is no such attribute."""
    if len(raw) < struct.calcsize("<I"):
        return None
    (magic,) = struct.unpack_from("<I", raw)
    words, size = _REVISIONS.get(magic & 0xFF000000, (0, 0))
    if not words or len(raw) != size:
        return None
    permitted = inheritable = 0
    for word in range(words):
        low, high = struct.unpack_from("<II", raw, 4 + 8 * word)
        permitted |= low << (32 * word)
        inheritable |= high << (32 * word)
    effective = "e" if magic & _EFFECTIVE else ""
    sets: dict[str, list[str]] = {}
    for bit in range(32 * words):
        flags = ("p" if permitted >> bit & 1 else "") + ("i" if inheritable >> bit & 1 else "")
        if flags:
            sets.setdefault(effective + flags[::-1], []).append(_name(bit))
    return " ".join(f"{','.join(names)}+{flags}" for flags, names in sets.items()) or "="


def _name(bit: int) -> str:
    return f"cap_{_NAMES[bit]}" if bit < len(_NAMES) else f"cap_{bit}"

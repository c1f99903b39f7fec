"""Good bytes made bad."""

from __future__ import annotations

import random


def mutate(good: bytes, chance: random.Random) -> bytes:
    """Return good with bits flipped, bytes cut, put in or overwritten."""
    raw, at = bytearray(good), chance.randrange(len(good))
    how = chance.randrange(5)
    if how == 0:
        raw[at] ^= 1 << chance.randrange(8)
    elif how == 1:
        del raw[at : at + chance.randint(1, 8)]
    elif how == 2:
        raw[at:at] = chance.randbytes(chance.randint(1, 8))
    elif how == 3:
        del raw[at:]
    else:
        raw[at : at + 4] = chance.randbytes(4)
    return bytes(raw)

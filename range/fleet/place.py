"""Places outside of the fleet: where people and programs send to, and how they are called."""

from __future__ import annotations

from random import Random
from typing import Literal

import msgspec

from . import draws

How = Literal["ssh", "https", "git"]


class Place(msgspec.Struct, frozen=True):
    """A server outside. known: the operator lists its name or network. how is what is spoken with it."""

    name: str
    ip: str
    how: How
    known: bool = False

    @property
    def port(self) -> int:
        """The port it listens on."""
        return 443 if self.how == "https" else 22


SERVICES = (
    Place("github.com", "140.82.112.4", "git", known=True),
    Place("objects.githubusercontent.com", "185.199.108.133", "https", known=True),
    Place("scripts.packages.example", "104.16.24.34", "https", known=True),
    Place("modules.packages.example", "151.101.0.223", "https", known=True),
    Place("system.packages.example", "151.101.66.132", "https", known=True),
    Place("acme-artifacts.s3.eu-central-1.amazonaws.com", "52.219.46.10", "https", known=True),
    Place("api.telemetry.example", "192.0.2.40", "https", known=True),
)
"""What the operator lists as known services; of a cloud's storage only the organisation's own bucket."""
_TOPS = ("com", "net", "io", "org", "de", "co.uk")
_SYLLABLES = ("ka", "lo", "mi", "ter", "von", "sa", "ri", "da", "xen", "pol", "ne", "bru")
_FIRST = {"ssh": ("sftp", "files", "drop"), "https": ("upload", "api", "support"), "git": ("git", "code")}
_RANGES = ("203.0", "198.18", "198.19", "45.76", "88.99", "135.181", "51.15", "34.90")
_RANKS = 400


def somewhere(draw: Random, how: How) -> Place:
    """Return a server of somebody else's, of which the operator knows nothing."""
    word = "".join(draw.choices(_SYLLABLES, k=draw.randint(2, 4)))
    name = f"{draw.choice(_FIRST[how])}.{word}.{draw.choice(_TOPS)}"
    ip = f"{draw.choice(_RANGES)}.{draw.randrange(1, 255)}.{draw.randrange(1, 255)}"
    return Place(name, ip, how)


def common(seed: int) -> tuple[Place, ...]:
    """Return unlisted places that several people use, the most used first: vendors, customers, hosters."""
    draw = draws.stream(seed, "places")
    hows: tuple[How, ...] = ("https", "https", "ssh", "git")
    return tuple(somewhere(draw, draw.choice(hows)) for _ in range(_RANKS))

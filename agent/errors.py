"""The exceptions of this package.

AgentError
├── SettingsError       the configuration is wrong; names file, line and field
├── RungUnavailable     a sensor cannot work this way here; carries the reason and the fix
├── SpoolError          the spool is damaged, full, or not ours to write
│   └── SpoolUncertain  what it holds is not known any more: it must be opened again
├── IdentityError       key, enrolment or machine identity are missing or do not fit
│   └── NotEnrolled     this host has no identity yet
└── DeliveryError       the collector refused, or could not be reached
    └── CollectorAway   nobody answers there now: asking again can help
"""

from __future__ import annotations


class AgentError(Exception):
    """Something an operator can act on; the message says what, where and what to do."""


class SettingsError(AgentError):
    """The configuration is wrong; the message names file, line and field."""


class RungUnavailable(AgentError):
    """A sensor cannot work this way on this host.

    reason says why, fix the command or setting that would help, where there is one.
    """

    def __init__(self, reason: str, fix: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fix = fix


class SpoolError(AgentError):
    """The spool is damaged, full, or not ours to write."""


class SpoolUncertain(SpoolError):
    """A write failed so that what the spool holds is not known any more; opening it again finds out."""


class IdentityError(AgentError):
    """Key, enrolment or machine identity are missing or do not fit."""


class NotEnrolled(IdentityError):
    """This host has no identity yet."""


class DeliveryError(AgentError):
    """The collector refused, or could not be reached."""


class CollectorAway(DeliveryError):
    """Nobody answers, or with a fault of the moment; asking again can help."""

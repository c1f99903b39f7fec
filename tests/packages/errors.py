"""What can go wrong with the machines of these tests.

BootFailed
├── RootFailed       a root folder could not be made
├── NotReady         what was waited for did not come in time
└── CommandFailed    a command inside ended with another code than expected
"""

from __future__ import annotations


class BootFailed(Exception):
    """A machine of these tests could not be made or used."""


class RootFailed(BootFailed):
    """A root folder could not be made."""


class NotReady(BootFailed):
    """What was waited for did not come in time."""


class CommandFailed(BootFailed):
    """A command inside ended with another code than expected."""

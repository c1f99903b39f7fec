"""The exceptions of this package.

BuildFailed             a step of the build went wrong; names the step and where its log is
├── ToolMissing         the machine lacks a program; names the package to install
├── ProfileOutdated     the counts that CPython is compiled by are of another source; says how to renew them
├── SourceRefused       a source or wheel is not to be had, or is not the one that was pinned
└── TooNew              a binary asks for more than the oldest supported system has
"""

from __future__ import annotations


class BuildFailed(Exception):
    """A step of the build went wrong."""


class ToolMissing(BuildFailed):
    """The machine lacks a program that the build needs."""


class SourceRefused(BuildFailed):
    """A source or a wheel is not to be had, or is not the one that was pinned."""


class ProfileOutdated(BuildFailed):
    """The counts that CPython is compiled by are of another source."""


class TooNew(BuildFailed):
    """A binary asks for a newer C or C++ library than the oldest supported system has."""

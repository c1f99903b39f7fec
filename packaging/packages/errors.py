"""The exceptions of this package, below runtime's.

runtime.BuildFailed
├── LayoutWrong         the tree to be packed lacks something, or holds what must not be shipped
├── TooLarge            a package is beyond its budget
└── KeyUnusable         a signing key cannot be read or is not the one expected
"""

from __future__ import annotations

from runtime.errors import BuildFailed


class LayoutWrong(BuildFailed):
    """The tree to be packed lacks something, or holds what must not be shipped."""


class TooLarge(BuildFailed):
    """A package is beyond its budget."""


class KeyUnusable(BuildFailed):
    """A signing key cannot be read, or is not the one expected."""

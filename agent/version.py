"""The version of this source; a test holds it against pyproject.toml.

importlib.metadata would say the same for seven megabytes of memory in each process.
"""

from __future__ import annotations

VERSION = "0.1.0"

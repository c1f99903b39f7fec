"""The rules whose parameters the API shows and sets: ours, the site's, and Sigma's correlations."""

from __future__ import annotations

from ..rule import Rule
from ..rules import rule_folders
from ..sigma.finding import described
from .services import Services


def tunables(services: Services) -> list[Rule]:
    """Return all that may be tuned: ours and the site's by id, then Sigma's in the order of their files."""
    return [*rule_folders.tunable(services.site_rules()), *map(described, services.sigma().correlations)]

"""What the API needs from the rest of the collector; run.py hands it over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from evidence.kinds.collector import Act

from ..audit.bundler import Story
from ..rule import Detection, Site
from ..rules.rulebook import Book
from ..settings import Console
from ..sigma.ruleset import Ruleset
from ..users import Users
from ..verdicts.suppressions import Suppressions
from ..verdicts.triages import Triages


class Bundler(Protocol):
    """Makes evidence bundles from the ledger."""

    def __call__(
        self, uids: tuple[str, ...], start: int | None, end: int | None, about: Story | None = None
    ) -> Iterator[bytes]:
        """Yield a bundle with the batches of these events, of an interval (UTC ns), or of an incident."""
        ...


@dataclass(frozen=True)
class Services:
    """The parts an endpoint may use. record makes an act durable in the ledger, or raises CollectorError.

    clock gives UTC ns; snapshot is the file that names the store's newest Parquet files; site is what the
    operator tells and what is set by now, book what people decided of rules. four_eyes: each decision on a
    rule needs another's approval. sigma gives the Sigma rules in force, site_rules the site's own,
    and site_file the file that one of those is in.
    """

    users: Users
    record: Callable[[Act], object]
    bundle: Bundler
    snapshot: Path
    console: Console
    clock: Callable[[], int]
    suppressions: Suppressions
    site: Callable[[], Site]
    book: Callable[[], Book]
    triages: Triages
    four_eyes: bool = False
    sigma: Callable[[], Ruleset] = Ruleset
    site_rules: Callable[[], tuple[Detection, ...]] = tuple
    site_file: Callable[[str], Path | None] = lambda _rule: None

"""`agents settle`: after an equivocation an administrator says that a host is believed again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from collector import cli
from collector.lake.decode import Reading
from collector.ledger.reader import LedgerReader
from collector.ledger_access.keeper import Keeper
from collector.pipeline.fold import Fold
from evidence import decision
from evidence.entry import EntryType
from evidence.kinds.collector import Act
from evidence.refusal import Code
from evidence.statement import Head
from tests.collector.front import Front, serving
from tests.collector.station import Host, Station
from tests.collector.store.workbench import UidEngine


def send(station: Station, keeper: Keeper, host: Host, *, forks: bool = False) -> None:
    """Send the host's next batch; or its next one and another in its place."""

    async def main() -> None:
        async with serving(Front(station, keeper)) as front:
            assert (await front.send(host, host.batch())).status == 200
            if forks:
                clone = host.batch(host.events(3), after=Head(0, host.anchor))
                assert (await front.send(host, clone)).refusal.code is Code.EQUIVOCATION

    asyncio.run(main())


@pytest.fixture
def config(station: Station) -> str:
    path = station.paths.root / "collector.toml"
    path.write_text(f'state = "{station.paths.root}"\norigin = "{station.settings.origin}"\n')
    return str(path)


def test_what_a_settled_host_sends_is_contested_no_more(
    station: Station, config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keeper = station.keeper()
    host = station.enrol(keeper, tmp_path)
    send(station, keeper, host, forks=True)
    send(station, keeper, host)
    keeper.close()
    words = ["agents", "settle", host.agent[:8], "--reason", "the clone is gone", "--json"]
    assert cli.main([*words, "--config", config]) == 0
    told = msgspec.json.decode(capsys.readouterr().out)
    items = list(LedgerReader(station.paths.ledger).items(0, 100))
    (settled,) = (item for item in items if item.type is EntryType.SETTING)
    assert (told["entry"], settled.index) == (settled.index, len(items) - 1)
    (act,) = (item for item in items if item.type is EntryType.ACT)
    bodies = [event.body for part in Reading(act).parts() for event in part]
    said_of = [(body.verb, body.object) for body in bodies if isinstance(body, Act)]
    assert said_of == [("agent.settle", host.agent)]
    said = decision.setting(settled.payload)
    assert (said.object, said.value, said.reason) == (host.agent, "off", "the clone is gone")
    keeper = station.keeper()
    send(station, keeper, host)
    keeper.close()
    fold = Fold(UidEngine())
    fed = [fold.feed(item)[0] for item in LedgerReader(station.paths.ledger).items(0, 100)]
    stored = [one for one in fed if one is not None]
    sent = [one.contested for one in stored if one.batch.said.agent == host.agent]
    assert sent == [False, False, True, False], "the batch, its other version, before, after"


def test_a_revoked_host_is_not_settled(
    station: Station, config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keeper = station.keeper()
    host = station.enrol(keeper, tmp_path)
    keeper.close()
    here = ["--reason", "stolen", "--config", config]
    assert cli.main(["agents", "revoke", host.agent, *here]) == 0
    assert cli.main(["agents", "settle", host.agent, *here]) == 2
    assert "is revoked" in capsys.readouterr().err

"""The operator's files: TOML and CSV are read as what was written; whatever else stands there is refused."""

from __future__ import annotations

import csv
import datetime as dt
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from collector.errors import SettingsError
from collector.organisation import organisation_file
from collector.organisation.entry import TABLES, Table
from collector.organisation.known import HostLabel, Human, NetworkLabel, Organisation, Window
from collector.settings import Detection, OrganisationFiles, Settings


def read(folder: Path) -> Organisation:
    place = OrganisationFiles(folder=folder)
    return organisation_file.read(
        Settings(organisation=place, detection=Detection(known_destinations=()))
    ).organisation


def tell(folder: Path, text: str) -> Organisation:
    (folder / "a.toml").write_text(text)
    return read(folder)


# Both forms, written by the shortest writers there can be.

TEXT = st.text(
    st.characters(categories=("L", "N"), include_characters=" .@_-:\"'\\,#"), min_size=1, max_size=12
)
NAMES = TEXT.map(str.strip).filter(lambda text: text.isprintable() and text != "")
WORDS = NAMES.map(lambda text: "".join(text.split())).filter(bool)
KEYS = st.text("abcXYZ019+/", min_size=43, max_size=43).map(lambda text: f"SHA256:{text}")
CIDRS = st.ip_addresses().map(str) | st.sampled_from(["10.0.0.0/8", "2001:db8::/32", "0.0.0.0/0"])
MOMENTS = st.integers(0, 7 * 10**15).map(lambda microseconds: microseconds * 1000)


def several(values: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(values, max_size=3, unique=True).map(tuple)


@st.composite
def organisations(draw: st.DrawFn) -> Organisation:
    names = draw(st.lists(NAMES, max_size=3, unique=True))
    accounts = draw(st.lists(WORDS, max_size=8, unique=True))
    keys = draw(st.lists(KEYS, max_size=8, unique=True))
    people = tuple(
        Human(
            name,
            tuple(accounts[at :: len(names) + 1]),
            tuple(keys[at :: len(names)]),
            draw(st.none() | NAMES),
            draw(several(NAMES)),
            "Europe/Berlin" if draw(st.booleans()) else "UTC",
            draw(st.none() | st.tuples(st.integers(0, 11), st.integers(12, 24))),
        )
        for at, name in enumerate(names)
    )
    found = draw(st.lists(CIDRS, max_size=3, unique=True))
    networks = tuple(NetworkLabel(_network(cidr), draw(USES), draw(NAMES)) for cidr in found)
    labels = several(NAMES).filter(bool)
    hosts = draw(st.lists(st.builds(HostLabel, WORDS, labels), max_size=3))
    groups = [f"group:{group}" for human in people for group in human.groups]
    marks = [f"label:{label}" for host in hosts for label in host.labels]
    return Organisation(
        people=people,
        networks=networks,
        hosts=tuple(hosts),
        services=draw(several(st.sampled_from(["example.com", "a.b.example.net", "xn--bcher-kva.example"]))),
        service_accounts=tuple(accounts[len(names) :: len(names) + 1]),
        change_windows=tuple(draw(st.lists(windows(marks, groups), max_size=2))),
        on_call=tuple(draw(st.lists(windows(marks, groups), max_size=2))),
    )


USES: st.SearchStrategy[Any] = st.sampled_from([None, "own", "service", "backup"])


def windows(marks: list[str], groups: list[str]) -> st.SearchStrategy[Window]:
    return st.builds(
        lambda start, length, why, hosts, persons: Window(start, start + length, why, hosts, persons),
        MOMENTS,
        st.integers(1, 10**9).map(lambda microseconds: microseconds * 1000),
        NAMES,
        several(st.sampled_from([*marks, "web-*"])),
        several(st.sampled_from([*groups, "Alice Adams"])),
    )


def _network(cidr: str) -> str:
    return cidr if "/" in cidr else f"{cidr}/{128 if ':' in cidr else 32}"


def _moment(time: int) -> str:
    seconds, rest = divmod(time // 1000, 10**6)
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%dT%H:%M:%S}.{rest:06d}Z"


def plain(entry: msgspec.Struct) -> dict[str, Any]:
    """Return what an entry says, as TOML would."""
    said = {name: value for name, value in msgspec.structs.asdict(entry).items() if value not in (None, ())}
    return {name: _moment(value) if name in {"start", "end"} else value for name, value in said.items()}


def as_toml(told: Organisation) -> str:
    lists = [f"{name} = {_quoted(getattr(told, name))}" for name in ("services", "service_accounts")]
    tables = [
        f"[[{table.name}]]\n" + "\n".join(f"{key} = {_quoted(value)}" for key, value in plain(entry).items())
        for table in TABLES
        for entry in of(table, told)
    ]
    return "\n".join([*lists, *tables]) + "\n"


def of(table: Table, told: Organisation) -> Sequence[msgspec.Struct]:
    names = {"person": "people", "network": "networks", "host": "hosts", "change_window": "change_windows"}
    entries: tuple[msgspec.Struct, ...] = getattr(told, names.get(table.name, table.name))
    return entries


def _quoted(value: object) -> str:
    return msgspec.json.encode(value).decode()


def write_csv(folder: Path, table: Table, entries: Sequence[msgspec.Struct]) -> None:
    with (folder / table.csv).open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in table.fields])
        writer.writeheader()
        for entry in entries:
            writer.writerow({name: _cell(name, value) for name, value in plain(entry).items()})


def _cell(name: str, value: Any) -> str:
    if name == "hours":
        return f"{value[0]}-{value[1]}"
    return "; ".join(value) if isinstance(value, tuple) else str(value)


@given(told=organisations())
@example_settings(max_examples=100, deadline=None)
def test_toml_and_csv_are_read_as_what_was_written(told: Organisation) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        assert tell(folder, as_toml(told)) == told
        rest = Organisation(services=told.services, service_accounts=told.service_accounts)
        (folder / "a.toml").write_text(as_toml(rest))
        for table in TABLES:
            write_csv(folder, table, of(table, told))
        assert read(folder) == told


@given(
    text=st.text(max_size=200)
    | st.lists(
        st.sampled_from(["[[person]]\n", "name", "=", '"a"', "\n", ",", ";", "[", "]", "1", "2026-01-01"])
    ).map("".join),
    name=st.sampled_from(["a.toml", *(table.csv for table in TABLES)]),
    raw=st.none() | st.binary(max_size=60),
)
@example_settings(max_examples=200, deadline=None)
def test_whatever_stands_in_a_file_is_read_or_refused_with_its_name(
    text: str, name: str, raw: bytes | None
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_bytes(raw if raw is not None else text.encode("utf-8", "surrogatepass"))
        try:
            read(Path(folder))
        except SettingsError as error:
            assert str(file) in str(error)  # noqa: PT017 - either outcome is right

"""Countries by address from a database that another wrote: right, none, or damaged."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.errors import SettingsError
from collector.organisation import countries, organisation_file
from collector.settings import OrganisationFiles, Settings
from tests.collector.mmdb import database

RAW = database(
    {
        "192.0.2.0/24": {"country": {"iso_code": "DE"}},
        "198.51.100.0/24": {"country": "FR"},
        "2001:db8::/32": {"country_code": "JP"},
        "203.0.113.0/24": {"city": "x"},
    }
)
ADDRESSES = ("192.0.2.1", "198.51.100.255", "2001:db8::1", "203.0.113.1", "10.0.0.1", "no address")


def test_where_no_network_has_a_place_the_database_is_asked(tmp_path: Path) -> None:
    (tmp_path / "c.mmdb").write_bytes(RAW)
    (tmp_path / "networks.csv").write_text("cidr,place\n192.0.2.128/25,Berlin\n")
    place = OrganisationFiles(folder=tmp_path, mmdb=tmp_path / "c.mmdb")
    told = organisation_file.read(Settings(organisation=place))
    assert [told.known.place(ip) for ip in ADDRESSES] == ["DE", "FR", "JP", None, None, None]
    assert told.known.place("192.0.2.129") == "Berlin"
    without = organisation_file.read(Settings(organisation=OrganisationFiles(folder=tmp_path)))
    assert told.digest != without.digest


@pytest.mark.parametrize("raw", [None, b"", b"no database", RAW[:-20]])
def test_what_is_no_database_is_refused_with_its_name(tmp_path: Path, raw: bytes | None) -> None:
    file = tmp_path / "c.mmdb"
    if raw is not None:
        file.write_bytes(raw)
    with pytest.raises(SettingsError, match=r"c\.mmdb"):
        countries.read(file)


@given(place=st.integers(0, len(RAW) - 1), byte=st.integers(0, 255))
@settings(max_examples=150, deadline=None)
def test_a_damaged_database_is_refused_or_answers_a_code_or_nothing(place: int, byte: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "c.mmdb"
        file.write_bytes(RAW[:place] + bytes([byte]) + RAW[place + 1 :])
        try:
            country = countries.read(file).country
        except SettingsError as error:
            assert str(file) in str(error)  # noqa: PT017 - either outcome is right
        else:
            assert all(isinstance(country(ip), str | None) for ip in ADDRESSES)

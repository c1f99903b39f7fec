"""What the operator tells in files and settings, and how what is wrong in it is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from collector import cli
from collector.errors import SettingsError
from collector.organisation import organisation_file
from collector.organisation.known import Human, Organisation
from collector.organisation.organisation_file import FILE_LIMIT, FILES_LIMIT, Told
from collector.organisation.text import ENTRIES_LIMIT
from collector.settings import Detection, OrganisationFiles, Settings

ON_CALL = "[[on_call]]\nstart = 2026-01-02T00:00:00Z\nend = 2026-01-03T00:00:00Z\nwhy = 'x'\n"
KEY = "SHA256:" + "a" * 43
QUIET = Detection(known_destinations=())


def read(folder: Path, detection: Detection = QUIET) -> Told:
    return organisation_file.read(
        Settings(organisation=OrganisationFiles(folder=folder), detection=detection)
    )


def tell(folder: Path, text: str, name: str = "a.toml") -> Organisation:
    (folder / name).write_text(text)
    return read(folder).organisation


# What is wrong is told with file, line or table, field, and what to do.


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.toml", "[[persn]]\n", ": 'persn': unknown; did you mean person?"),
        ("a.toml", "[person]\nname = 'a'\n", ": person: not an array of tables; write [[person]]"),
        ("a.toml", "person = [1]\n", ": [[person]] 1: not a table"),
        ("a.toml", "x = \n", "not valid TOML"),
        ("a.toml", "x = " + "9" * 5000, "not valid TOML"),
        ("a.toml", "[[person]]\nname = 'a'\n[[person]]\nname='b'\nacounts=[]\n",
         ": [[person]] 2: 'acounts': unknown field; did you mean accounts?"),
        ("a.toml", "[[person]]\naccounts = ['a']\n", ": [[person]] 1: name: missing"),
        ("a.toml", "[[person]]\nname = 3\n", ": [[person]] 1: name: 3 is no text"),
        ("a.toml", "[[person]]\nname = ' '\n", "permitted are 1 to 200"),
        ("a.toml", "[[person]]\nname = 'a'\naccounts = 'a'\n", "accounts: 'a' is no array"),
        ("a.toml", "[[person]]\nname = 'a'\naccounts = ['a b']\n", "accounts: 'a b' has a blank"),
        ("a.toml", "[[person]]\nname = 'a'\nkeys = ['SHA256:abc']\n", "ssh-keygen -lf"),
        ("a.toml", "[[person]]\nname = 'a'\ntimezone = 'Mars/Base'\n", "timezone: Mars/Base: no time zone"),
        ("a.toml", "[[person]]\nname = 'a'\nhours = [8, 18]\n", "hours: whose clock"),
        ("a.toml", "[[person]]\nname = 'a'\ntimezone = 'UTC'\nhours = [8, 25]\n", "no interval of a day"),
        ("a.toml", "[[person]]\nname = 'a'\ntimezone = 'UTC'\nhours = [true, 2]\n", "no pair of hours"),
        ("a.toml", "[[network]]\ncidr = '10.0.0.1/8'\nuse = 'own'\n", "did you mean 10.0.0.0/8?"),
        ("a.toml", "[[network]]\ncidr = '10.0.0'\nuse = 'own'\n", "cidr: '10.0.0' is no network"),
        ("a.toml", "[[network]]\ncidr = '10.0.0.0/8'\nuse = 'ours'\n", "use: 'ours' is none of own"),
        ("a.toml", "[[network]]\ncidr = '10.0.0.0/8'\n", "give use, place or both"),
        ("a.toml", "[[host]]\npattern = 'a'\nlabels = []\n", "labels: missing"),
        ("a.toml", "services = ['*.example.com']\n", "need no wildcard"),
        ("a.toml", "[[on_call]]\nstart = 2026-01-01T00:00:00\nend = 2026-01-02T00:00:00Z\nwhy = 'x'\n",
         "start: 2026-01-01T00:00:00 is no time of UTC"),
        ("a.toml", "[[on_call]]\nstart = '2026-01-01T00:00:00+01:00'\nend = 1\nwhy = 'x'\n",
         "start: '2026-01-01T00:00:00+01:00' is no time of UTC"),
        ("a.toml", "[[on_call]]\nstart = 2026-01-02T00:00:00Z\nend = 2026-01-02T00:00:00Z\nwhy = 'x'\n",
         ": [[on_call]] 1: end: not after start"),
        ("a.toml", "[[on_call]]\nstart = 1800-01-02T00:00:00Z\nend = 2026-01-02T00:00:00Z\nwhy = 'x'\n",
         "not between 1970 and 2200"),
        ("a.toml", f"{ON_CALL}hosts = ['label:web']\n", "hosts: nothing has the label:web"),
        ("a.toml", f"{ON_CALL}persons = ['group:ops']\n", "persons: nothing has the group:ops"),
        ("people.csv", "name,acounts\n", "people.csv:1: 'acounts': unknown field; did you mean accounts?"),
        ("people.csv", "name,name\n", "people.csv:1: name: stands twice in the header"),
        ("people.csv", "name,accounts\n\nalice\n", "people.csv:3: 1 cells under 2 headers"),
        ("people.csv", "name,accounts\nalice,al\n,bob\n", "people.csv:3: name: missing"),
        ("people.csv", 'name,accounts\nalice,"al\n', "people.csv:2: not valid CSV"),
        ("people.csv", "name,accounts\nalice,al bob\n", "separated by ';'"),
        ("people.csv", "name,timezone,hours\na,UTC,8to18\n", "8-18 in CSV"),
        ("networks.csv", "cidr,place\nx,Berlin\n", "networks.csv:2: cidr: 'x' is no network"),
        ("on_call.csv", "start,end,why\n2026-01-01,2026-01-02,x\n", "on_call.csv:2: start: '2026-01-01'"),
        ("person.csv", "", "person.csv: no known name; CSV files are people.csv"),
        ("a.toml", "[[person]]\nname = 'a'\naccounts = ['x']\n[[person]]\nname = 'b'\naccounts = ['x']\n",
         "a.toml: [[person]] 2: accounts: x is claimed for b, and for a in "),
        ("a.toml", f"[[person]]\nname = 'a'\nkeys = ['{KEY}']\n[[person]]\nname = 'b'\nkeys = ['{KEY}']\n",
         "[[person]] 2: keys: SHA256:"),
        ("a.toml", "service_accounts = ['x']\n[[person]]\nname = 'a'\naccounts = ['x']\n",
         "service_accounts: x is claimed for nobody"),
        ("a.toml", "[[person]]\nname = 'a'\n[[person]]\nname = 'a'\n", "2: name: a is told of in "),
        ("networks.csv", "cidr,place\n10.0.0.0/8,a\n10.0.0.0/8,b\n", "networks.csv:3: cidr: 10.0.0.0/8 is"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        tell(tmp_path, text, name)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert message in str(caught.value)


def fill_with_bytes(folder: Path) -> None:
    (folder / "a.toml").write_bytes(b"#" * (FILE_LIMIT + 1))


def fill_with_files(folder: Path) -> None:
    for number in range(FILES_LIMIT + 1):
        (folder / f"{number}.toml").touch()


def fill_with_entries(folder: Path) -> None:
    rows = "".join(f"h{number},x\n" for number in range(ENTRIES_LIMIT + 1))
    (folder / "hosts.csv").write_text(f"pattern,labels\n{rows}")


def make_a_folder(folder: Path) -> None:
    (folder / "a.toml").mkdir()


@pytest.mark.parametrize("fill", [fill_with_bytes, fill_with_files, fill_with_entries, make_a_folder])
def test_files_are_bounded(tmp_path: Path, fill: Callable[[Path], None]) -> None:
    fill(tmp_path)
    with pytest.raises(SettingsError, match=r"more than \d+ (bytes|files|entries)|not a file"):
        read(tmp_path)


def test_a_folder_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no such folder; make it, or correct organisation\.folder"):
        read(tmp_path / "none")


def test_other_files_are_not_read(tmp_path: Path) -> None:
    for name in (".people.csv.swp", ".#a.toml", "people.csv~", "README", "a.toml.bak"):
        (tmp_path / name).write_text("[[")
    assert read(tmp_path).organisation == Organisation()


# Settings and files tell together.


def test_what_the_settings_tell_is_merged(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("\ufeffname,accounts,role\nAlice Adams,alice; al,sre\n")
    (tmp_path / "networks.csv").write_text(
        "cidr,use,place\n192.0.2.0/24,own,Berlin\n198.51.100.0/24,,Paris\n"
    )
    told = read(
        tmp_path,
        Detection(
            people={"Alice Adams": ("ali", KEY), "bob": ("bob",)},
            known_destinations=("192.0.2.0/24", "198.51.100.0/24"),
        ),
    )
    assert told.organisation.people == (
        Human("Alice Adams", ("alice", "al", "ali"), (KEY,), "sre"),
        Human("bob", ("bob",)),
    )
    assert (told.known.use("192.0.2.1"), told.known.place("192.0.2.1")) == ("own", "Berlin")
    assert (told.known.use("198.51.100.1"), told.known.place("198.51.100.1")) == ("service", "Paris")
    assert told.known.people() == dict.fromkeys(("alice", "al", "ali", KEY), "Alice Adams") | {"bob": "bob"}


@pytest.mark.parametrize(
    ("detection", "message"),
    [
        (
            Detection(people={"bob": ("alice",)}),
            "the settings: detection.people.bob: accounts: alice is claimed",
        ),
        (Detection(known_destinations=("x",)), "the settings: detection.known_destinations: "),
    ],
)
def test_settings_that_contradict_the_files_are_refused(
    tmp_path: Path, detection: Detection, message: str
) -> None:
    (tmp_path / "people.csv").write_text("name,accounts\nAlice Adams,alice\n")
    with pytest.raises(SettingsError, match=message):
        read(tmp_path, detection)


def test_the_digest_is_of_what_is_told_and_not_of_how(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("name,accounts\nalice,al\n")
    first = read(tmp_path)
    (tmp_path / "people.csv").write_text("accounts,name\n\n al , alice\n")
    second = read(tmp_path)
    (tmp_path / "people.csv").write_text("name,accounts\nalice,ali\n")
    third = read(tmp_path)
    assert first.digest == second.digest != third.digest
    assert first.files != second.files
    assert first.counts["people"] == 1


# The document for operators is held against the code.


def blocks(heading: str) -> list[str]:
    text = (Path(__file__).parents[3] / "docs" / "organisation.md").read_text()
    section = text.split(f"## {heading}", 1)[1].split("\n## ", 1)[0]
    return [block.split("\n", 1)[1] for block in section.split("```")[1::2]]


def test_the_documents_examples_are_read_and_say_the_same(tmp_path: Path) -> None:
    toml, csvs = blocks("A complete example")
    told = tell(tmp_path, toml, "company.toml")
    lists = "\n".join(line for line in toml.splitlines() if line.startswith("service"))
    (tmp_path / "company.toml").write_text(lists)
    for block in csvs.split("\n\n"):
        name, content = block.strip().split("\n", 1)
        (tmp_path / name).write_text(f"{content}\n")
    assert read(tmp_path).organisation == told
    assert (len(told.people), len(told.networks), len(told.hosts), len(told.on_call)) == (2, 3, 1, 1)


def test_config_test_reads_the_operators_files_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "told"
    folder.mkdir()
    (tmp_path / "c.toml").write_text(f'[organisation]\nfolder = "{folder}"\n')
    people = folder / "people.csv"
    people.write_text("name,accounts\nalice,al\n")
    assert cli.main(["config", "test", "--config", str(tmp_path / "c.toml")]) == 0
    assert str(people) in capsys.readouterr().out
    people.write_text("name,accounts\nalice,al\nbob,al\n")
    assert cli.main(["config", "test", "--config", str(tmp_path / "c.toml")]) == 2
    assert f"{people}:3: accounts: al is claimed for bob" in capsys.readouterr().err

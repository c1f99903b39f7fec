"""Secrets never reach an encoded batch, wherever on a command line or in a text they stood."""

from __future__ import annotations

import re
import string

import hypothesis
import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agent import settings
from agent.enrich import Surroundings, all_enrichments, enrich
from agent.errors import SettingsError
from agent.redaction import TEXT_LIMIT, Redactor
from agent.secret_words import HINT
from evidence import codec
from evidence.event import stamp
from evidence.kind import Actor, Body, Endpoint
from evidence.kinds.agent import Loss
from evidence.kinds.connection import Listen
from evidence.kinds.file import Change
from evidence.kinds.login import Sudo
from evidence.kinds.process import Ancestor, Exec

KEY = b"k" * 32
MARK = re.compile(r"\[redacted:[0-9a-f]{16}\]")

ARGV = [
    ["mysql", "-u", "root", "-p{}"],
    ["/usr/bin/mysqldump", "--password={}", "db"],
    ["mariadb", "-p{}"],
    ["psql", "postgresql://bob:{}@db/x"],
    ["env", "PGPASSWORD={}", "psql"],
    ["env", "MYSQL_PWD={}", "mysql"],
    ["env", "AWS_SECRET_ACCESS_KEY={}", "aws", "s3", "ls"],
    ["sshpass", "-p", "{}", "ssh", "h"],
    ["sshpass", "-p{}", "ssh", "h"],
    ["curl", "-u", "bob:{}", "https://h/"],
    ["curl", "-ubob:{}", "https://h/"],
    ["curl", "--user", "bob:{}", "https://h/"],
    ["curl", "https://bob:{}@h/"],
    ["curl", "https://h/?access_token={}&x=1"],
    ["curl", "https://h/?x=1&sig={}"],
    ["curl", "-H", "Authorization: Bearer {}"],
    ["curl", "-H", "authorization: basic {}"],
    ["curl", "-HX-Api-Key: {}"],
    ["curl", "-H", "Cookie: session={}; a=b"],
    ["curl", "--oauth2-bearer", "{}"],
    ["curl", "-b", "session={}"],
    ["wget", "--http-password={}", "http://h/"],
    ["docker", "login", "-u", "bob", "-p", "{}"],
    ["redis-cli", "-a", "{}", "ping"],
    ["ldapsearch", "-w", "{}", "-x"],
    ["openssl", "enc", "-pass", "pass:{}"],
    ["openssl", "rsa", "-passin", "pass:{}"],
    ["7z", "a", "-p{}", "x.7z", "f"],
    ["zip", "-P", "{}", "x.zip", "f"],
    ["smbclient", "-U", "bob%{}", "//h/s"],
    ["htpasswd", "-cb", "file", "bob", "{}"],
    ["vault", "login", "--token", "{}"],
    ["app", "--api-key", "{}"],
    ["app", "--client-secret={}"],
    ["app", "--db.password", "{}"],
    ["sudo", "-u", "root", "mysql", "-p{}"],
    ["sh", "-c", "mysql -p{} -e 'select 1' && echo done"],
    ["bash", "-c", "export TOKEN='{}'; run"],
    ["ssh", "host", "mysqldump --password={} db"],
    ["python3", "-c", "login(password='{}')"],
    ["mysql", "-e", "create user bob identified by '{}'"],
    ["echo", "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----"],
]

secrets = st.text(string.ascii_letters + string.digits + "_.~", min_size=12, max_size=40).map(
    lambda text: f"Canary{text}"
)


class NoLineage:
    def ancestry(self, pid: int, start: int | None) -> tuple[Ancestor, ...]:
        return (Ancestor(pid=pid, start=start),)


def redactor(**further: tuple[str, ...]) -> Redactor:
    return Redactor(KEY, settings.Redaction(**further))


def encoded(*bodies: Body) -> bytes:
    around = Surroundings(NoLineage(), redactor(), frozenset({"SSH_CONNECTION"}), {1000: "alice"}.get)
    done = [enrich(body, all_enrichments(), around) for body in bodies]
    return codec.encode(stamp(body, seq=1, time=1, mono=1) for body in done)


def carriers(argv: list[str]) -> list[Body]:
    """Every place of every kind that carries a command line or raw text."""
    line = " ".join(argv)
    actor = Actor(pid=1, cmd_line=line)
    return [
        Exec(pid=1, argv=tuple(argv), environment={"SSH_CONNECTION": line, "HOME": line}),
        Sudo(program="sudo", user="bob", command=line),
        Change(path="/etc/cron.d/x", added=(f"* * * * * root {line}",), removed=(line,), actor=actor),
        Listen(protocol="tcp", local=Endpoint(ip="::"), actor=actor),
    ]


@pytest.mark.parametrize("template", ARGV, ids=" ".join)
@hypothesis.settings(max_examples=15)
@given(secret=secrets)
def test_a_secret_never_reaches_an_encoded_batch(template: list[str], secret: str) -> None:
    argv = [word.replace("{}", secret) for word in template]
    raw = encoded(*carriers(argv))
    assert secret.encode() not in raw
    assert MARK.search(raw.decode())


@pytest.mark.parametrize("template", ARGV, ids=" ".join)
def test_words_that_were_harmless_alone_hide_no_secret(template: list[str]) -> None:
    mine, argv = redactor(), [word.replace("{}", "Canary1234567") for word in template]
    for word in argv:
        mine.argv([word])
    assert "Canary1234567" not in " ".join(mine.argv(argv))


@given(secret=secrets)
def test_the_environment_is_cut_to_the_allowed_names(secret: str) -> None:
    raw = encoded(Exec(pid=1, argv=("x",), environment={"HOME": secret, "SSH_CONNECTION": "1.2.3.4 5"}))
    assert secret.encode() not in raw
    assert b"1.2.3.4 5" in raw


@pytest.mark.parametrize(
    "argv",
    [
        ["ls", "-la", "/etc/passwd"],
        ["docker", "run", "-p", "8080:80", "nginx"],
        ["mysql", "-p", "database"],
        ["ssh", "-p", "22", "host"],
        ["cat", "/etc/ssh/ssh_host_rsa_key"],
        ["passwd", "bob"],
        ["curl", "https://example.org/a?b=c"],
        ["ssh", "-i", "/root/.ssh/id_ed25519", "bob@host"],
        ["grep", "-r", "password", "/etc"],
        ["app", "--password-file", "/run/secrets/x"],
    ],
    ids=" ".join,
)
def test_what_is_no_secret_stays(argv: list[str]) -> None:
    assert redactor().argv(argv) == tuple(argv)
    assert redactor().text(" ".join(argv)) == " ".join(argv)


def test_sudo_lines_keep_their_directory() -> None:
    line = "TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/ls"
    assert redactor().text(line) == line


def test_equal_values_get_equal_marks_under_one_key_only() -> None:
    one, two = redactor().mark("x"), Redactor(b"other" * 5, settings.Redaction()).mark("x")
    assert one == redactor().mark("x")
    assert one != two
    assert MARK.fullmatch(one)


def test_a_number_alone_is_a_secret_only_for_a_pattern_or_a_program() -> None:
    assert redactor().argv(["sleep", "1234"]) == ("sleep", "1234")
    mine = redactor(patterns=(r"\b\d{4}\b",))
    assert mine.argv(["sleep", "1234"]) == ("sleep", mine.mark("1234"))
    assert MARK.search(redactor().argv(["zip", "-P", "1234", "x"])[2])


def test_settings_add_flags_and_patterns() -> None:
    mine = redactor(flags=("--pin",), patterns=(r"ACME-\d+",))
    assert MARK.search(mine.argv(["x", "--pin", "1234"])[2])
    assert mine.text("token ACME-99 x") == f"token {mine.mark('ACME-99')} x"
    with pytest.raises(SettingsError, match=r"redaction.patterns: '\('"):
        redactor(patterns=("(",))


def test_text_beyond_the_limit_is_replaced_as_a_whole() -> None:
    assert MARK.fullmatch(redactor().text("password " + "x" * TEXT_LIMIT))


@given(st.lists(st.text(max_size=60), max_size=8))
def test_argv_keeps_its_length_and_redacting_twice_changes_nothing(argv: list[str]) -> None:
    once = redactor().argv(argv)
    assert len(once) == len(argv)
    assert redactor().argv(once) == once


@given(st.text(max_size=300))
def test_any_text_is_redacted_without_error_and_without_touching_the_rest(text: str) -> None:
    assume("[redacted" not in text)
    done = redactor().text(text)
    assert done == text or MARK.search(done)


def test_reasons_and_other_texts_of_any_kind_are_redacted() -> None:
    raw = encoded(
        Loss(sensor="x", cause="y"), Sudo(program="sudo", user="b", reason="password=Canary1234567")
    )
    assert b"Canary1234567" not in raw
    assert msgspec.json.decode(raw.splitlines()[0])["body"]["cause"] == "y"


WORDS = (
    "PA\u017f\u017fWORD",
    "to\u212aen",
    "\u0130DENTIFIED by x",
    "\u0131dentified by x",
    "AIza",
    "Secret",
    "HTTP://",
    "GHP_",
)


@given(st.text("paswdtokenycrhu:/bixzgl_-SKI\u017f\u212a\u0131\u0130", max_size=12) | st.sampled_from(WORDS))
def test_whatever_case_a_hint_is_written_in_it_is_found(text: str) -> None:
    any_case = re.compile(HINT.pattern.replace("dentified", "identified"), re.IGNORECASE)
    if any_case.search(text):
        assert HINT.search(text.casefold())


@pytest.mark.parametrize(
    "word",
    ['say"my password is"', '--note="password a b"', "x'token: y z'", "'" * 3 + "password a b" + "'" * 3],
)
def test_a_word_that_is_quoted_in_part_ends(word: str) -> None:
    redactor = Redactor(b"key", settings.Redaction())
    assert len(redactor.argv(("tool", word))) == 2
    redactor.text(f"tool {word}")


SHELL = [
    "'",
    '"',
    " ",
    ";",
    "|",
    "=",
    "-p",
    "password",
    "token:",
    "mysql",
    "sh -c ",
    "\n",
    "\\",
    "a",
    "pass:",
    "--",
]


@given(st.lists(st.sampled_from(SHELL), max_size=40).map("".join))
def test_any_quoting_ends_and_redacting_the_words_keeps_their_number(text: str) -> None:
    redacting = redactor()
    assert len(redacting.argv(("mysql", text, text[::-1]))) == 3
    assert isinstance(redacting.text(text), str)


def test_what_is_quoted_deeper_than_anybody_writes_is_replaced_as_a_whole() -> None:
    secret, word = "sw0rdfish", "mysql --password=sw0rdfish db"
    for depth in range(12):
        said = redactor().argv(("sh", "-c", word))
        assert secret not in " ".join(said), depth
        word = f'"sh {word}"' if depth % 2 else f"'sh {word}'"


@pytest.mark.parametrize("count", [1, 2, 3, 500, 5000])
def test_quotes_without_end_cost_little_depth(count: int) -> None:
    for word in (
        "'" * count + "password a b" + "'" * count,
        "x'password " * count,
        '"' * count + " token=a ",
    ):
        assert len(redactor().argv(("tool", word))) == 2

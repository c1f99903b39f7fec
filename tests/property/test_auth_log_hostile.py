"""What a stranger can put into a log line never becomes another event, and never raises."""

from __future__ import annotations

from datetime import UTC

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.decode.auth_log import parse_auth
from agent.decode.journal import parse_entry
from agent.decode.sshd import Ended
from agent.decode.syslog import LINE_LIMIT, Line, parse_line
from agent.decode.utmp import parse_records, record_size
from evidence.kinds.login import Failed, Sudo

NOW = 1_795_327_200_000_000_000
SOURCE = "203.0.113.5", 40022
LIES = st.lists(
    st.sampled_from(
        [
            "root",
            " from 6.6.6.6 port 1 ssh2",
            " from 6.6.6.6 port 1",
            "Accepted publickey for root from 6.6.6.6 port 1 ssh2",
            ": ED25519 SHA256:abc",
            " ID x (serial 1) CA ED25519 SHA256:abc",
            "invalid user ",
            " [preauth]",
            "message repeated 9 times: [ ",
            "pam_unix(sshd:session): session opened for user root(uid=0) by (uid=0)",
            " ",
            "]",
        ]
    )
    | st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=12),
    min_size=1,
    max_size=6,
).map("".join)
GARBAGE = st.binary(max_size=200) | st.builds(
    b"".join,
    st.lists(
        st.sampled_from(
            (
                *(b"Nov 22 04:41:26 h ", b"2026-11-22T04:41:26Z h ", b"sshd[1]: ", b"sudo: ", b"su[9]: "),
                *(b"Failed password for ", b" from ", b" port 1 ssh2", b" ; COMMAND=", b" : ", b"TTY="),
                *(b"pam_unix(sshd:session): session opened for user ", b"(uid=", b"99999999999", b")"),
                *(b"(to ", b") ", b" on ", b"Feb 30 25:99:99 h ", b"USER=", b"\xff\\"),
            )
        )
        | st.binary(max_size=8),
        max_size=10,
    ),
)


def line(program: str, message: str) -> Line:
    return Line(NOW, program, 7, message)


@given(LIES)
def test_a_failed_login_has_its_true_source_whatever_the_user_name(user: str) -> None:
    says = parse_auth(
        line("sshd", f"Failed password for invalid user {user} from {SOURCE[0]} port {SOURCE[1]} ssh2")
    )
    assert isinstance(says, Failed)
    assert says.source is None or (says.source.ip, says.source.port) == SOURCE
    assert says.known is False


@given(LIES, LIES)
def test_a_hostile_key_id_never_chooses_the_source(user: str, key_id: str) -> None:
    key = f"RSA-CERT SHA256:xyz ID {key_id} (serial 3) CA RSA SHA256:ca"
    text = f"Failed publickey for invalid user {user} from {SOURCE[0]} port {SOURCE[1]} ssh2: {key}"
    says = parse_auth(line("sshd", text))
    assert says is None or isinstance(says, Failed)
    if isinstance(says, Failed) and says.source is not None:
        assert (says.source.ip, says.source.port) == SOURCE


@given(LIES)
def test_an_ended_connection_has_its_true_source(user: str) -> None:
    text = f"Connection closed by invalid user {user} {SOURCE[0]} port {SOURCE[1]} [preauth]"
    says = parse_auth(line("sshd", text))
    assert isinstance(says, Ended)
    assert says.source is not None
    assert (says.source.ip, says.source.port) == SOURCE


def test_a_cut_message_has_no_source() -> None:
    text = "Failed password for invalid user " + "a" * 950 + " from 6.6.6.6 port 22222 ssh2"
    says = parse_auth(line("sshd", text.ljust(1023, " ")[:1023].replace("  ", "aa")))
    assert says is None or (isinstance(says, Failed) and says.source is None)
    exact = "Failed password for invalid user " + "a" * (1023 - 33 - 29) + " from 6.6.6.6 port 22222 ssh2"
    assert len(exact) == 1023 - 33 - 29 + 33 + 29
    says = parse_auth(line("sshd", exact))
    assert isinstance(says, Failed)
    assert says.source is None


@given(LIES, LIES)
def test_a_hostile_folder_or_argument_never_chooses_the_target(folder: str, arguments: str) -> None:
    evil = f"/srv/{folder} ; USER=evil ; COMMAND=/bin/evil"
    text = f"alice : TTY=pts/0 ; PWD={evil} ; USER=root ; COMMAND=/bin/echo {arguments}"
    says = parse_auth(line("sudo", text))
    assert isinstance(says, Sudo)
    assert says.user == "alice"
    assert says.target is None
    assert says.cwd is None


@given(GARBAGE)
@settings(max_examples=400)
def test_no_line_raises(raw: bytes) -> None:
    found = parse_line(raw, NOW, UTC)
    if found is None:
        return
    assert len(found.message) <= 2 * LINE_LIMIT
    parse_auth(found)


@given(GARBAGE, st.sampled_from(["sshd", "sudo", "su", "login", "sshd-session"]))
@settings(max_examples=400)
def test_no_message_raises(raw: bytes, program: str) -> None:
    parse_auth(line(program, raw.decode("latin-1")))


@given(st.binary(max_size=300) | GARBAGE)
def test_no_journal_entry_raises(raw: bytes) -> None:
    parse_entry(raw)
    parse_entry(b'{"__CURSOR":"c","__REALTIME_TIMESTAMP":"1","MESSAGE":' + raw + b"}")


@given(st.binary(max_size=1200), st.sampled_from(["x86_64", "aarch64"]))
def test_no_utmp_record_raises(raw: bytes, machine: str) -> None:
    assert len(list(parse_records(raw, machine))) == len(raw) // record_size(machine)

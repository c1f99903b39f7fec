"""Lines of configured log files: told once, with what their header says, through rotation and restart."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import msgspec
import pytest

from agent.cursor_file import CursorFile
from agent.errors import SettingsError
from agent.feeds.logs import LogsFeed, Place
from agent.ladder import climb
from agent.redaction import Redactor
from agent.sensor import Context, Moment
from agent.sensors.logs import SENSOR
from agent.settings import Logs, Redaction, Settings
from agent.settings_file import load
from evidence.kinds.log import Message
from tests.agent.feeds_at_work import context, moment, wait

SECOND = 1_000_000_000


def feed(folder: Path, *paths: Path, most: int = 256) -> LogsFeed:
    cursors = CursorFile(folder / "logs.cursor", Place, 0.0)
    return LogsFeed(paths, folder / "probe", cursors, most=most, zone=UTC)


def lines(opened: LogsFeed, now: Moment | None = None) -> list[Message]:
    found = [one.body for one in opened.read(now or moment())]
    assert all(isinstance(body, Message) for body in found)
    return [body for body in found if isinstance(body, Message)]


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def with_files(around: Context, *paths: Path) -> Context:
    settings = msgspec.structs.replace(around.settings, logs=Logs(files=tuple(map(str, paths))))
    return msgspec.structs.replace(around, settings=settings)


def test_a_line_is_told_with_program_pid_and_its_own_time(tmp_path: Path) -> None:
    log = tmp_path / "syslog"
    opened = feed(tmp_path, log)
    append(log, "2026-11-22T10:00:00.5+00:00 web1 cron[77]: (root) CMD (x)\nno header at all\n\n")
    first, second = opened.read(Moment(5 * SECOND, SECOND))
    assert first.body == Message(path=str(log), text="(root) CMD (x)", program="cron", pid=77)
    assert first.time == 1_795_341_600_500_000_000
    assert (second.body, second.time) == (Message(path=str(log), text="no header at all"), 5 * SECOND)
    opened.close()


def test_a_long_line_is_cut_and_says_so(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    opened = feed(tmp_path, log)
    append(log, "x" * 300 + "\n" + "y" * 256 + "\n")
    first, second = lines(opened)
    assert (first.text, first.cut) == ("x" * 256, True)
    assert (second.text, second.cut) == ("y" * 256, False)
    opened.close()


def test_what_came_while_nobody_read_is_told_once_after_a_restart(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    append(log, "old\n")
    opened = feed(tmp_path, log)
    append(log, "one\n")
    assert [one.text for one in lines(opened)] == ["one"]
    opened.close()
    append(log, "two\n")
    log.rename(tmp_path / "app.log.1")
    append(log, "three\n")
    again = feed(tmp_path, log)
    assert [one.text for one in lines(again)] == ["two", "three"]
    assert lines(again) == []
    again.close()


def test_bytes_that_are_no_text_are_told_in_the_escaped_form(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    opened = feed(tmp_path, log)
    log.write_bytes(b"caf\xe9\n")
    (told,) = lines(opened)
    assert told.escaped == ("text",)
    opened.close()


def test_the_rung_sees_its_own_line_and_names_are_followed_that_are_not_there_yet(tmp_path: Path) -> None:
    log = tmp_path / "later.log"
    climbed = climb(SENSOR, with_files(context(tmp_path), log), wait)
    assert (climbed.rung, climbed.seen) == ("follow", ())
    assert isinstance(climbed.feed, LogsFeed)
    append(log, "hello\n")
    assert [one.text for one in lines(climbed.feed)] == ["hello"]
    climbed.feed.close()


def test_without_files_the_sensor_has_nothing_to_do_and_is_not_degraded(tmp_path: Path) -> None:
    climbed = climb(SENSOR, context(tmp_path), wait)
    assert (climbed.feed, climbed.applies) == (None, False)


def test_a_name_that_is_not_absolute_is_refused(tmp_path: Path) -> None:
    written = tmp_path / "agent.toml"
    written.write_text('[logs]\nfiles = ["syslog"]\n')
    with pytest.raises(SettingsError, match="absolute path"):
        load(written)


def test_secrets_in_a_line_are_redacted_as_in_all_text() -> None:
    from agent.enrichments.redaction import ENRICHMENT  # noqa: PLC0415 - the one thing looked at

    assert ENRICHMENT.concerns(Message)
    text = Redactor(b"k" * 32, Redaction()).text("mysql --password=canary1")
    assert "canary1" not in text
    assert Settings().logs.files == ()

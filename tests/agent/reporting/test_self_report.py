"""What watch says about itself: the last run's end, its heartbeat, a change of its settings."""

from __future__ import annotations

from agent import settings_file
from agent.reporting import self_report
from agent.reporting.self_report import Before, Setting
from agent.sealing.last_run import LastSettings
from agent.settings import Batch, Settings
from evidence.enrolment import Facts

FACTS = Facts("m", "b", "web1")
SETTING = Setting("host", "+0000", "c")


def test_an_unclean_start_states_the_blind_interval() -> None:
    before = Before(clean=False, last_seq=41, blind_from=100)
    start = self_report.start(FACTS, before, 900, SETTING, blind=("file",))
    assert (start.clean, start.last_seq, start.blind_from, start.blind_to) == (False, 41, 100, 900)
    assert start.blind == ("file",)
    loss, short = before.loss(900, {"file": 900, "dns": 300})
    assert (loss.cause, loss.from_, loss.to) == ("file: agent died", 100, 900)
    assert (short.cause, short.from_, short.to) == ("dns: agent died", 100, 300)


def test_an_unclean_start_after_which_nothing_is_missing_states_none() -> None:
    before = Before(clean=False, last_seq=41, blind_from=100)
    start = self_report.start(FACTS, before, 900, SETTING)
    assert (start.clean, start.blind_from, start.blind_to, start.blind) == (False, None, None, ())
    assert before.loss(900, {}) == ()


def test_a_clock_that_went_back_gives_no_negative_interval() -> None:
    (loss,) = Before(clean=True, last_seq=1, blind_from=1000).loss(900, {})
    assert (loss.cause, loss.from_, loss.to) == ("agent stopped", 1000, 1000)


def test_a_first_start_was_never_blind() -> None:
    before = Before(clean=True, last_seq=0, blind_from=None)
    assert before.loss(5, {"file": 5}) == ()
    start = self_report.start(FACTS, before, 900, SETTING, blind=("file",))
    assert (start.last_seq, start.blind_from, start.blind_to) == (None, None, None)


def test_a_change_of_settings_names_what_changed() -> None:
    old, new = Settings(), Settings(batch=Batch(bulk_age=9.0))
    last = LastSettings(settings_file.digest(old), settings_file.effective(old))
    change = self_report.config_change(last, settings_file.effective(new), settings_file.digest(new))
    assert change is not None
    assert change.changed == ("batch.bulk_age",)
    assert change.before == last.sha256


def test_equal_settings_are_no_change() -> None:
    values, digest = settings_file.effective(Settings()), settings_file.digest(Settings())
    assert self_report.config_change(LastSettings(digest, values), values, digest) is None
    assert self_report.config_change(None, values, digest) is None, "a first start changes nothing"

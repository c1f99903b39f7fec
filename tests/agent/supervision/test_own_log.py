"""The agent's own log: what repeats is told a few times and then counted, also over a child's many lives."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.supervision.log_limit import INTERVAL, KEYS, LINES, LogLimit
from agent.supervision.own_log import OwnLog


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def log(said: list[str]) -> Iterator[OwnLog]:
    made = OwnLog(said.append)
    yield made
    made.close()


def test_what_repeats_is_told_a_few_times_and_then_counted() -> None:
    limit = LogLimit()
    written = [limit.take(f"watch {number} ended after {number} s", 1.0) for number in range(LINES + 7)]
    assert sum(map(len, written)) == LINES
    assert limit.take("another", 2.0) == ["another"]
    assert limit.pause(2.0) == INTERVAL - 1.0
    assert limit.due(INTERVAL) == []
    assert limit.due(INTERVAL + 1) == ["7 more lines in 10 minutes like: watch 0 ended after 0 s"]
    assert limit.take("watch 9 ended after 9 s", INTERVAL + 2) == ["watch 9 ended after 9 s"]


def test_what_was_kept_back_is_told_before_the_next_line_and_at_the_end() -> None:
    limit = LogLimit()
    for _ in range(LINES + 1):
        limit.take("same", 0.0)
    assert limit.take("other", INTERVAL) == ["1 more lines in 10 minutes like: same", "other"]
    for _ in range(LINES + 2):
        limit.take("same", INTERVAL)
    assert limit.rest() == ["2 more lines in 10 minutes like: same"]
    assert limit.rest() == []


@given(st.lists(st.tuples(st.text(max_size=4), st.floats(0, 2000)), max_size=60))
def test_no_line_is_lost_uncounted_and_none_is_told_too_often(lines: list[tuple[str, float]]) -> None:
    limit, told, kept_back = LogLimit(), 0, 0
    for text, at in sorted(lines, key=lambda line: line[1]):
        for one in limit.take(f"said {text}", at):
            if " more lines in " in one:
                kept_back += int(one.partition(" ")[0])
            else:
                told += 1
    kept_back += sum(int(one.partition(" ")[0]) for one in limit.rest())
    assert told + kept_back == len(lines)


def test_memory_is_bounded_however_many_messages_there_are() -> None:
    limit = LogLimit()
    letters = [f"message {'a' * number}" for number in range(150)]
    letters += [f"message {'b' * number}" for number in range(1, 150)]
    written = sum(len(limit.take(line, 0.0)) for line in letters)
    assert written == KEYS + LINES
    assert len(limit.rest()) == 1


def test_what_children_say_is_one_log(log: OwnLog, said: list[str]) -> None:
    for number in range(LINES + 3):
        pid = os.fork()
        if pid == 0:
            log.adopt_stderr()
            os.write(2, b"vedette-agent: life %d: cannot start\n" % number)
            os._exit(0)
        os.waitpid(pid, 0)
        log.drain()
    assert said == [f"vedette-agent: life {number}: cannot start" for number in range(LINES)]
    log.say("one of the supervisor's own")
    assert said[LINES:] == ["one of the supervisor's own"]


def test_a_line_without_end_is_cut_and_one_without_newline_is_told_at_the_end(said: list[str]) -> None:
    log = OwnLog(said.append)
    pid = os.fork()
    if pid == 0:
        log.adopt_stderr()
        os.write(2, b"x" * 10_000 + b"\nlast \xff")
        os._exit(0)
    os.waitpid(pid, 0)
    log.drain()
    assert [len(line) for line in said] == [4096, 4096, 10_000 - 2 * 4096]
    log.close()
    assert said[3] == "last \\xff"


def test_a_part_that_no_supervisor_started_limits_what_it_says_itself() -> None:
    script = (
        "import subprocess, sys\nfrom agent.supervision.own_log import limited\n"
        "try:\n"
        "    with limited():\n"
        "        for life in range(9): print(f'try {life} failed', file=sys.stderr)\n"
        "        subprocess.run(['sh', '-c', 'echo try 9 failed >&2'])\n"
        "        sys.exit('the end')\n"
        "finally:\n"
        "    print('after', file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines() == [
        *(f"try {life} failed" for life in range(LINES)),
        "5 more lines in 10 minutes like: try 0 failed",
        "after",
        "the end",
    ]

"""A log that a flood of lines cannot fill."""

from __future__ import annotations

import logging

import pytest

from flotta.limited_log import LimitedLog


def test_lines_beyond_the_limit_of_a_second_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    now = 1.0
    limited = LimitedLog(logging.getLogger("flood"), lines=3, clock=lambda: now)
    for number in range(10):
        limited.log(logging.WARNING, "line %d", number)
    now = 2.5
    limited.log(logging.WARNING, "later")

    lines = ["line 0", "line 1", "line 2", "7 more such lines were left out", "later"]
    assert caplog.messages == lines


def test_lines_below_the_level_of_the_log_take_no_room(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    limited = LimitedLog(logging.getLogger("flood"), lines=1, clock=lambda: 1.0)
    limited.log(logging.DEBUG, "detail")
    limited.log(logging.INFO, "line")

    assert caplog.messages == ["line"]

"""One client that is refused for good does not fill the journal."""

from __future__ import annotations

import logging

import pytest

from flotta.edge_api.refusal_log import RefusalLog


def test_a_client_that_repeats_gets_a_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    now = 0.0
    log = RefusalLog(logging.getLogger("flood"), lambda: now)
    for tick in range(6000):  # ten a second for ten minutes
        now = tick / 10
        log.log(logging.INFO, "a", "NotAccepted", "refused")
    assert 14 <= caplog.messages.count("refused") <= 26
    assert len(caplog.messages) < 40


def test_another_client_or_reason_is_logged_at_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log = RefusalLog(logging.getLogger("flood"), lambda: 0.0)
    for _ in range(10):
        log.log(logging.INFO, "a", "NotAccepted", "refused")
    log.log(logging.INFO, "b", "NotAccepted", "another client")
    log.log(logging.INFO, "a", "Removed", "another reason")
    assert caplog.messages[-2:] == ["another client", "another reason"]

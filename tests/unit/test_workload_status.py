"""What an entry of `status.workloads` means, whichever agent wrote it."""

from __future__ import annotations

import pytest

from flotta.fleet.workload_status import describe_status, is_failing, is_running


@pytest.mark.parametrize(
    ("phase", "reason", "failing"),
    [
        ("Running", "", False),
        ("Running", "ContainerRestarted", False),
        ("Deploying", "Pulling", False),
        ("Deploying", "Starting", False),
        ("Exited", "Completed", False),
        ("Exited", "", False),
        ("Created", "", False),
        ("Created", "ImagePull", True),
        ("Exited", "ContainerFailed", True),
        ("Error", "", True),
        ("crashed", "", True),
        ("Degraded", "CrashLoopBackOff", True),
    ],
)
def test_failures_differ_from_work_in_progress(phase: str, reason: str, failing: bool) -> None:
    assert is_failing({"phase": phase, "reason": reason}) is failing


def test_an_entry_without_phase_says_nothing() -> None:
    assert not is_failing({})
    assert not is_running({})
    assert describe_status({}) == "unknown"

"""What an entry of `status.workloads` means, whichever agent wrote it."""

from __future__ import annotations

import pytest

from flotta.fleet.workload_status import describe_status, is_failing, is_running, is_started
from flotta.resources.objects.devices import WorkloadStatus


@pytest.mark.parametrize(
    ("phase", "reason", "failing"),
    [
        ("Running", "", False),
        ("Running", "ContainerRestarted", False),
        ("Running", "Unhealthy", False),
        ("Running", "DataSyncFailed", False),
        ("Running", "ImagePullFailed", True),
        ("running", "UnsupportedField", True),
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


def test_a_pod_that_is_not_ready_does_not_count_as_running_and_does_not_fail() -> None:
    waiting = WorkloadStatus(
        name="web", phase="Running", reason="ContainersNotReady", message="it waits", ready=False
    )
    assert (is_running(waiting), is_failing(waiting)) == (False, False)
    assert describe_status(waiting) == "ContainersNotReady: it waits"
    assert is_running({**waiting, "ready": True})


def test_an_older_pod_that_runs_on_does_not_count_as_running() -> None:
    older = WorkloadStatus(name="web", phase="Running", reason="UnsupportedField", ready=True)
    assert (is_started(older), is_running(older)) == (False, False)


def test_an_entry_without_phase_says_nothing() -> None:
    assert not is_failing({})
    assert not is_running({})
    assert describe_status({}) == "unknown"

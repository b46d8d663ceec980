"""Desired minus current, and what is reported of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from flotta.protocol.models import DataConfiguration, DataPath, Workload
from flotta.worker.causes import extract_cause
from flotta.worker.errors import WorkloadError
from flotta.worker.podman import Container
from flotta.worker.probes.readiness import Readiness
from flotta.worker.systemd import UnitState, parse_unit_states
from flotta.worker.workloads.crash_loop import Crashes
from flotta.worker.workloads.manifest import Pod, WorkloadPaths, build_pod
from flotta.worker.workloads.pod_facts import DeviceFacts
from flotta.worker.workloads.records import FORMAT, WorkloadRecord
from flotta.worker.workloads.state import Crash, Observation, WorkloadState, derive_state
from flotta.worker.workloads.steps import (
    Current,
    FetchImages,
    FlushData,
    RemoveFiles,
    StartPod,
    StopPod,
    WriteFiles,
    plan_removal,
    plan_steps,
    plan_suspension,
)
from flotta.worker.workloads.units import render_drop_in, unit_name

DEAD = 'container "c" failed its liveness probe: status 500'
RUNNING = UnitState("active", "running", "success", 0, "i1")
RESTARTING = UnitState("activating", "auto-restart", "exit-code", 3, "i2")
STARTING = UnitState("activating", "start")
STOPPED = Path("/s/pods-stopped")
ENDED = UnitState("inactive", "dead", "success", 0, "i3")


def pod(policy: str = "Always", image: str = "localhost/x:1") -> Pod:
    spec = {"restartPolicy": policy, "containers": [{"name": "c", "image": image}]}
    workload = Workload(name="web", specification=json.dumps(spec))
    return build_pod(
        workload, [], DeviceFacts("device-1"), WorkloadPaths(Path("/s/web"), Path("/v/web"))
    )


def current(of: Pod, unit: UnitState = RUNNING, *, runs: str | None = None) -> Current:
    return Current(
        WorkloadRecord(of.digest, of.data, FORMAT, of.rendering),
        unit,
        of.digest if runs is None else runs,
    )


def container(state: str, code: int = 0, name: str = "c") -> Container:
    return Container("0" * 64, name, "web", "digest", state, code, 1)


def test_a_new_workload_is_fetched_written_and_started() -> None:
    new = pod()

    assert plan_steps("web", new, Current()) == (
        FetchImages(new, True),
        WriteFiles(new),
        StartPod("web"),
    )


def test_a_running_workload_needs_nothing() -> None:
    assert plan_steps("web", pod(), current(pod())) == ()


def test_a_pod_made_of_older_files_is_replaced() -> None:
    new = pod()

    assert plan_steps("web", new, current(new, runs="older")) == (
        FetchImages(new, False),
        StartPod("web"),
    )


def test_a_stopped_unit_is_started_again() -> None:
    assert plan_steps("web", pod(), current(pod(), ENDED, runs=""))[-1] == StartPod("web")


@pytest.mark.parametrize("unit", [STARTING, UnitState("deactivating", "stop"), RESTARTING])
def test_systemd_is_left_to_finish_what_it_does(unit: UnitState) -> None:
    assert plan_steps("web", pod(), current(pod(), unit, runs="")) == ()


def test_a_first_failure_is_not_left_to_the_long_pause_of_the_unit() -> None:
    steps = plan_steps("web", pod(), current(pod(), RESTARTING, runs=""), eager=True)

    assert steps[-1] == StartPod("web")


def test_a_pod_that_crash_loops_is_not_started() -> None:
    assert plan_steps("web", pod(), current(pod(), ENDED, runs=""), crash_looping=True) == ()


@pytest.mark.parametrize("policy", ["Never", "OnFailure"])
def test_a_pod_that_may_end_is_not_started_again(policy: str) -> None:
    ending = pod(policy)

    assert plan_steps("web", ending, current(ending, ENDED)) == ()


def test_systemd_reads_what_a_worker_that_was_killed_had_written() -> None:
    unit = replace(RUNNING, outdated=True)
    written = WriteFiles(pod(), outdated=True)
    assert plan_steps("web", pod(), current(pod(), unit)) == (written,)
    assert written in plan_steps("web", pod(), current(pod(image="localhost/x:0"), unit))


def test_changed_data_paths_do_not_restart_the_pod() -> None:
    known = pod()
    data = DataConfiguration(egress=[DataPath("a", "b")])
    there = Current(
        WorkloadRecord(known.digest, data, FORMAT, known.rendering), RUNNING, known.digest
    )

    assert plan_steps("web", known, there) == (WriteFiles(known),)


def test_removal_stops_then_uploads_then_deletes() -> None:
    steps = plan_removal("web", current(pod()), {})

    assert steps == (StopPod("web"), FlushData("web"), RemoveFiles("web"))
    assert plan_removal("web", Current(), {"web": None}) == ()


@pytest.mark.parametrize("unit", [RUNNING, RESTARTING, STARTING])
def test_a_suspension_stops_what_runs_or_will(unit: UnitState) -> None:
    assert plan_suspension("web", current(pod(), unit)) == (StopPod("web", soon=True),)


def test_a_suspension_removes_nothing() -> None:
    assert plan_suspension("web", current(pod(), ENDED)) == ()
    assert plan_suspension("web", Current()) == ()


def test_a_pod_that_was_interrupted_is_started_again_although_it_seems_to_have_finished() -> None:
    ending = pod("Never")

    assert plan_steps("web", ending, current(ending, ENDED)) == ()
    steps = plan_steps("web", ending, current(ending, ENDED), interrupted=True)
    assert steps[-1] == StartPod("web")


def test_no_unit_starts_while_the_file_of_a_suspension_exists() -> None:
    always = render_drop_in("web", "Always", 10, None, Path("/s 1/50%/pods-stopped")).decode()

    assert "\nConditionPathExists=!/s 1/50%%/pods-stopped\n" in always


def test_unit_names_are_escaped_as_systemd_does() -> None:
    manifest = Path("/var/lib/flotta/worker/workloads/os-stats/pod.yaml")

    expected = r"podman-kube@-var-lib-flotta-worker-workloads-os\x2dstats-pod.yaml.service"
    assert unit_name(manifest) == expected


def test_a_pod_that_may_end_counts_as_ended_well_and_the_other_always_comes_back() -> None:
    always = render_drop_in("web", "Always", 10, None, STOPPED).decode()
    never = render_drop_in("web", "Never", 10, Path("/a/auth.json"), STOPPED).decode()

    assert "Restart=always\n" in always
    assert "SuccessExitStatus" not in always
    assert "Restart=on-failure\nRestartSec=30\nSuccessExitStatus=137 143\n" in never
    assert "REGISTRY_AUTH_FILE=/a/auth.json" in never


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (Observation(), WorkloadState("Deploying")),
        (Observation(activity="Pulling"), WorkloadState("Deploying", "Pulling")),
        (Observation(STARTING, [container("created")]), WorkloadState("Deploying", "Starting")),
        (Observation(RUNNING, [container("running")]), WorkloadState("Running")),
        (
            Observation(RUNNING, [container("running"), container("exited", 3, "b")]),
            WorkloadState("Degraded", "ContainerFailed", 'container "b" exited with code 3'),
        ),
        (Observation(ENDED, [container("exited")]), WorkloadState("Exited", "Completed")),
        (
            Observation(ENDED, [container("exited", 4)]),
            WorkloadState("Exited", "ContainerFailed", 'container "c" exited with code 4'),
        ),
        (
            Observation(RUNNING, [container("running")], crashes=[Crash("c", 7, 1)]),
            WorkloadState("Running", "ContainerRestarted", 'container "c" exited with code 7'),
        ),
        (
            Observation(RUNNING, [container("running")], crashes=[Crash("c", 7, 9)]),
            WorkloadState("Error", "CrashLoopBackOff", 'container "c" exited with code 7'),
        ),
        (
            Observation(RUNNING, [container("running")], crashes=[Crash("c", 143, 1, DEAD)]),
            WorkloadState("Running", "Unhealthy", DEAD),
        ),
        (
            Observation(RUNNING, [container("running")], crashes=[Crash("c", 0, 3, DEAD)]),
            WorkloadState("Error", "CrashLoopBackOff", DEAD),
        ),
        (
            Observation(ENDED, [container("exited", 0)], crashes=[Crash("c", 0, 1, DEAD)]),
            WorkloadState("Exited", "Unhealthy", DEAD),
        ),
        (
            Observation(RUNNING, [container("running")], readiness=Readiness(False, "c waits")),
            WorkloadState("Running", "ContainersNotReady", "c waits", ready=False),
        ),
        (
            Observation(RUNNING, [container("running")], readiness=Readiness(True)),
            WorkloadState("Running", ready=True),
        ),
        (
            Observation(RUNNING, activity="Stopping", readiness=Readiness(True)),
            WorkloadState("Deploying", "Stopping", ready=False),
        ),
        (
            Observation(RESTARTING, explanation="bind: address already in use"),
            WorkloadState("Error", "HostPortInUse", "bind: address already in use"),
        ),
        (
            Observation(failure=WorkloadError("ImagePullFailed", "no")),
            WorkloadState("Error", "ImagePullFailed", "no"),
        ),
        (
            Observation(RUNNING, [container("running")], WorkloadError("ImagePullFailed", "no")),
            WorkloadState("Running", "ImagePullFailed", "no"),
        ),
    ],
)
def test_the_state_says_what_the_user_needs(view: Observation, expected: WorkloadState) -> None:
    assert derive_state(view) == expected


def test_crashes_are_counted_by_name_across_pods_but_not_when_the_worker_stops_them() -> None:
    now = [1000.0]
    crashes = Crashes(clock=lambda: now[0])
    first, second = "a" * 64, "b" * 64
    crashes.record_exit(first, 3)
    crashes.learn_names([Container(first, "c", "web", "", "running", 0, 1)])
    crashes.mute("web")
    crashes.record_exit(first, 137)
    crashes.unmute("web")
    crashes.learn_names([Container(second, "c", "web", "", "running", 0, 1)])
    crashes.record_exit(second, 5)

    assert crashes.list_crashes("web") == [Crash("c", 5, 2)]
    assert crashes.list_looping() == []
    for _ in range(3):
        crashes.record_exit(second, 5)
    assert crashes.list_looping() == [("web", "c")]
    crashes.forgive("web")
    assert crashes.list_looping() == []
    now[0] += 601
    assert crashes.list_crashes("web") == []


def test_unit_states_are_read_from_systemctl() -> None:
    running = "Id=a.service\nActiveState=active\nSubState=running\nNRestarts=2\n"
    text = f"{running}\nId=b.service\nResult=exit-code\nNeedDaemonReload=yes\n"

    assert parse_unit_states(text) == {
        "a.service": UnitState("active", "running", "success", 2, ""),
        "b.service": UnitState("inactive", "dead", "exit-code", 0, "", outdated=True),
    }


@pytest.mark.parametrize(
    ("lines", "cause"),
    [
        (
            [
                "Starting podman-kube@x.service - A template",
                "2026-11-21 10:09:03.2 +0000 UTC m=+0.2 pod create e75c (image=, name=port)",
                "starting container "
                + "7" * 64
                + ": cannot listen on the TCP port: address already in use",
                "starting container "
                + "2" * 64
                + ": a dependency of container "
                + "2" * 64
                + " failed to start",
                "Error: failed to start 2 containers",
                "podman-kube@x.service: Failed with result 'exit-code'.",
            ],
            "cannot listen on the TCP port: address already in use",
        ),
        (
            ["Trying to pull x...", "Error: initializing source docker://x: refused"],
            "initializing source docker://x: refused",
        ),
        ([], "podman gave no reason"),
    ],
)
def test_the_cause_is_found_in_what_podman_says(lines: list[str], cause: str) -> None:
    assert extract_cause(lines) == cause

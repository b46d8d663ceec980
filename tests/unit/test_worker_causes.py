"""Causes in words that are the same for the same cause."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flotta.worker.causes import clean_cause, explain_run, extract_cause
from flotta.worker.journal import JournalLine, parse_container_lines, parse_lines
from flotta.worker.podman import Container
from flotta.worker.systemd import UnitState
from flotta.worker.workloads.crash_logs import CrashLogs, clean_lines
from flotta.worker.workloads.crash_loop import Crashes
from flotta.worker.workloads.state import Crash, Observation, WorkloadState, derive_state

MAIN = "3f" * 32
INFRA = "5c" * 32
RESTARTING = UnitState("activating", "auto-restart", "exit-code")


def said(text: str) -> JournalLine:
    return JournalLine(text, "1")


def event(id_: str, name: str) -> JournalLine:
    return JournalLine("", "1", False, (id_, name))


@pytest.mark.parametrize(
    ("lines", "cause"),
    [
        (
            [
                said('Error: failed to create volume "x": stat /srv/not-there: no such file'),
                said("Error: no pod with name or ID hpmiss found: no such pod"),
            ],
            'failed to create volume "x": stat /srv/not-there: no such file',
        ),
        (
            [
                event(INFRA, "5c5c5c5c5c5c-infra"),
                event(MAIN, "web-main"),
                said(f"starting container {MAIN}: crun: executable file `/no` not found in $PATH"),
                said("Error: failed to start 1 container"),
            ],
            'container "main": crun: executable file `/no` not found in $PATH',
        ),
        (
            [
                event(INFRA, "5c5c5c5c5c5c-infra"),
                event(MAIN, "web-main"),
                said(f"[starting container {INFRA}: listen tcp4 :80: address already in use"),
                said(
                    f"starting container {MAIN}: a dependency of container {MAIN} failed to start"
                ),
                said("Error: failed to start 2 containers"),
            ],
            "listen tcp4 :80: address already in use",
        ),
        (
            [JournalLine("Started podman-kube@x.service - A template for running", "1", False)],
            "",
        ),
        (
            [
                said('time="2026-11-29T10:00:00Z" level=error msg="the \\"cause\\""'),
                said("Error: no pod with name or ID web found: no such pod"),
            ],
            'the "cause"',
        ),
        (
            [
                event("77" * 32, "web_init-first"),
                said(f'Error: unable to start container "{"77" * 32}": no'),
            ],
            'unable to start container "first": no',
        ),
    ],
)
def test_the_cause_of_a_failed_start_names_the_container(
    lines: list[JournalLine], cause: str
) -> None:
    assert explain_run(lines, "web") == cause


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            "read udp 10.0.2.100:40213->10.0.2.3:53: i/o timeout",
            "read udp 10.0.2.100:51999->10.0.2.3:53: i/o timeout",
        ),
        (
            f"container {MAIN} is in use by {INFRA}",
            f"container {'0a' * 32} is in use by {'b1' * 32}",
        ),
        ("write /var/tmp/flotta-pull-x8/a: no space", "write /var/tmp/flotta-pull-p2/b: no space"),
        ("pid 17 is gone", "pid 4711 is gone"),
    ],
)
def test_equal_causes_are_equal_sentences(first: str, second: str) -> None:
    assert clean_cause(first, {}) == clean_cause(second, {})


def test_what_the_user_wrote_stays_in_a_cause() -> None:
    image = "registry.example/shop@sha256:" + "1a" * 32
    assert extract_cause([f"Error: initializing source docker://{image}: denied"]) == (
        f"initializing source docker://{image}: denied"
    )


def entry(text: object, **fields: str) -> dict[str, Any]:
    return {"MESSAGE": text, "_SYSTEMD_INVOCATION_ID": "1", **fields}


def test_lines_of_the_journal_say_who_wrote_them() -> None:
    entries = [
        entry("Starting x", _PID="1", INVOCATION_ID="2"),
        entry("Error: no"),
        entry("from the pod", CONTAINER_NAME="web-main"),
        entry("create", PODMAN_EVENT="create", PODMAN_ID=MAIN, PODMAN_NAME="web-main"),
        entry([69, 255]),
        entry(None),
    ]
    output = b"\n".join(json.dumps(one).encode() for one in entries) + b"\nnot json\n"
    assert parse_lines(output) == [
        JournalLine("Starting x", "2", False),
        JournalLine("Error: no", "1"),
        JournalLine("from the pod", "1", False),
        JournalLine("create", "1", False, (MAIN, "web-main")),
        JournalLine("E\ufffd", "1"),
        JournalLine("", "1"),
    ]


def test_the_end_of_a_log_is_short_and_the_same_each_time() -> None:
    lines = [
        "first",
        "\x1b[31m2026-11-29T10:00:00.123Z\x1b[0m cannot open 0x7ffe12: no",
        "",
        "I1129 10:00:00.123456       1 main.go:3] request 0189a1b2-0000-4000-8000-0123456789ab",
        "x" * 500,
    ]
    end = clean_lines(lines)
    assert end.startswith("cannot open …: no | main.go:3] request … | xxx")
    assert len(end) < 300


async def test_a_log_is_read_once_for_each_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    async def read_lines(container: str, *_: float) -> list[str]:
        read.append(container)
        return ["no config"]

    monkeypatch.setattr("flotta.worker.journal.read_container_lines", read_lines)
    logs, crashes = CrashLogs(), Crashes()
    ended = [
        Container(MAIN, "main", "web", "", "exited", 3, 1),
        Container(INFRA, "well", "web", "", "exited", 0, 1),
        Container("1" * 64, "first", "web", "", "exited", 2, 1, is_init=True),
    ]
    for _ in range(3):
        await logs.refresh(ended, crashes)
    assert sorted(read) == sorted([MAIN, "1" * 64])
    assert logs.of_pod("web") == {"main": "no config"}
    await logs.refresh([], crashes)
    assert logs.of_pod("web") == {}


async def test_the_log_of_a_crash_is_that_of_the_run_that_crashed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A new run writes other lines, and how many of them were read is chance."""
    read: list[tuple[str, float, float]] = []

    async def read_lines(container: str, count: int, since: float, until: float) -> list[str]:
        read.append((container, since, until))
        return ["no config"]

    monkeypatch.setattr("flotta.worker.journal.read_container_lines", read_lines)
    logs, crashes = CrashLogs(), Crashes()
    again = Container(MAIN, "main", "web", "", "running", 0, 1)
    crashes.learn_names([again])
    crashes.record_exit(MAIN, 3, 1000.25)
    await logs.refresh([again], crashes)
    crashes.record_exit(MAIN, 3, 1005.5)
    await logs.refresh([again], crashes)
    assert read == [(MAIN, 0, 1000.25), (MAIN, 1000.25, 1005.5)]
    entries = [(1000.2, "no key"), (1000.3, "no config"), (1005.6, "starting")]
    output = "\n".join(
        json.dumps({"MESSAGE": text, "_SOURCE_REALTIME_TIMESTAMP": str(int(moment * 1e6))})
        for moment, text in entries
    )
    assert parse_container_lines(output.encode(), 1000.25, 1005.5) == ["no config"]


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        (
            Observation(RESTARTING, crashes=[Crash("main", 7, 1)], logs={"main": "no config"}),
            WorkloadState(
                "Error",
                "ContainerFailed",
                'container "main" exited with code 7; its log ends with: no config',
            ),
        ),
        (
            Observation(
                RESTARTING, crashes=[Crash("main", 137, 1, 'liveness probe of "main" failed')]
            ),
            WorkloadState("Error", "Unhealthy", 'liveness probe of "main" failed'),
        ),
        (
            Observation(UnitState("failed", "failed", "timeout")),
            WorkloadState("Error", "PodStartFailed", "the pod did not start or stop in time"),
        ),
    ],
)
def test_a_pod_that_ended_is_told_from_one_that_did_not_start(
    observed: Observation, expected: WorkloadState
) -> None:
    assert derive_state(observed) == expected

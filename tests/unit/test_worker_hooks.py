"""Hooks of containers, as far as they need no pod: what is called, and when."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from flotta.protocol.models import Workload
from flotta.worker.http_get_action import HttpGet
from flotta.worker.pod_unit.hooks import grace_left, run_hooks
from flotta.worker.pod_unit.plan import Hook, ProcessPlan
from flotta.worker.podman import Container
from flotta.worker.probes.container_run import ContainerRun
from flotta.worker.workloads.container_hooks import ContainerHooks
from flotta.worker.workloads.files import WorkloadFiles
from flotta.worker.workloads.manifest import build_pod
from flotta.worker.workloads.pod_facts import DeviceFacts
from waiting import eventually

COMMAND = {"exec": {"command": ["touch", "/x"]}}


class Agent:
    """The agent as far as hooks see it."""

    device_id = "d"
    may_remove = True

    def __init__(self) -> None:
        self.warnings: list[tuple[str, str]] = []

    def request_heartbeat(self) -> None:
        raise AssertionError

    def add_warning(self, reason: str, message: str, *, workload: str = "") -> None:
        self.warnings.append((reason, message))


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a podman first in the path that logs its arguments; `/bad` fails in a container.

    The systemd-run beside it runs a program only as a unit that ends in time, and notes what
    systemd would log.
    """
    log = tmp_path / "calls"
    log.touch()
    program = tmp_path / "bin" / "podman"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$@${{OUTSIDE:+ outside}}" >> {log}\n'
        'case "$*" in *bad*) echo "Error: exit 7" >&2; exit 7;; esac\n'
    )
    program.chmod(0o755)
    launcher = program.with_name("systemd-run")
    launcher.write_text(
        '#!/bin/sh\ncase "$*" in *RuntimeMaxSec=*) ;; *) exit 1;; esac\n'
        'logged="$*"\nwhile [ "$1" != -- ]; do\n'
        f'  case "$1" in --description=*) logged="${{1#*=}}";; esac\n  shift\ndone\nshift\n'
        f'echo "$logged" >> {log}.units\nOUTSIDE=yes exec "$@"\n'
    )
    launcher.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return log


def install(tmp_path: Path, **lifecycle: Any) -> WorkloadFiles:
    files = WorkloadFiles(tmp_path / "w", tmp_path / "v", tmp_path / "u", tmp_path / "m")
    main = {"name": "main", "image": "x", "lifecycle": lifecycle}
    workload = Workload(name="web", specification=json.dumps({"containers": [main]}))
    paths = files.paths_of("web")
    files.write_pod(build_pod(workload, [], DeviceFacts("d"), paths))
    os.link(paths.process_plan, paths.started_plan)  # by the unit
    return files


def seen(process: int, name: str = "main") -> Container:
    return Container("1" * 64, name, "web", "digest", "running", 0, 1, process)


async def test_a_container_that_podman_started_again_gets_its_hook_once(
    tmp_path: Path, calls: Path
) -> None:
    hooks = ContainerHooks(install(tmp_path, postStart=COMMAND), Agent())
    for process in (10, 10, 11, 11):
        hooks.observe([seen(process)])
    # Python 3.11 waits without end for a program of which the end of the loop cancels the start.
    await eventually(lambda: calls.read_text() and not hooks._tasks)
    assert calls.read_text() == "exec -- web-main touch /x outside\n"
    assert calls.with_name("calls.units").read_text() == "postStart of web/main\n"


async def test_a_hook_that_fails_then_is_an_event(tmp_path: Path, calls: Path) -> None:
    agent = Agent()
    hooks = ContainerHooks(install(tmp_path, postStart={"exec": {"command": ["bad"]}}), agent)
    hooks.observe([seen(2**22 + 1)])  # greater than any process id
    hooks.observe([seen(2**22 + 2)])
    await eventually(lambda: agent.warnings and not hooks._tasks)
    assert agent.warnings == [
        ("PostStartHookFailed", 'the postStart hook of container "main" failed: exit 7')
    ]


async def test_a_container_that_a_probe_ends_gets_its_hook_before(
    tmp_path: Path, calls: Path
) -> None:
    hooks = ContainerHooks(install(tmp_path, preStop=COMMAND), Agent())
    left = await hooks.prepare_end(ContainerRun("web", "main", "1", 10, 1), 30.0)
    assert 2 <= left <= 30
    assert calls.read_text() == "exec -- web-main touch /x outside\n"
    assert calls.with_name("calls.units").read_text() == "preStop of web/main\n"
    assert await hooks.prepare_end(ContainerRun("web", "other", "1", 10, 1), 30.0) == 30.0
    assert await hooks.prepare_end(ContainerRun("gone", "main", "1", 10, 1), 30.0) == 30.0


async def test_a_container_does_not_get_hooks_of_the_successor_of_its_pod(
    tmp_path: Path, calls: Path
) -> None:
    files = install(tmp_path, preStop=COMMAND)
    files.paths_of("web").started_plan.unlink()
    hooks = ContainerHooks(files, Agent())
    assert await hooks.prepare_end(ContainerRun("web", "main", "1", 10, 1), 30.0) == 30.0
    assert calls.read_text() == ""


async def test_hooks_that_fail_are_named_and_others_run(calls: Path) -> None:
    plan = ProcessPlan(
        "web",
        pre_stop=(Hook("a", command=("bad",)), Hook("b", command=("good",)), Hook("c", sleep=0)),
    )
    assert await run_hooks(plan, "preStop", 10) == [
        'the preStop hook of container "a" failed: exit 7'
    ]
    assert "exec -- web-b good" in calls.read_text()


def test_a_container_has_two_seconds_whatever_its_hook_took() -> None:
    assert grace_left(10, time.monotonic() - 100) == 2
    assert grace_left(10, time.monotonic()) > 9


async def test_a_server_that_never_comes_to_an_end_is_not_waited_for() -> None:
    gone = asyncio.Event()

    async def dribble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        with contextlib.suppress(OSError):
            while await writer.drain() is None:
                writer.write(b"X: y\r\n")
                await asyncio.sleep(0.05)
        gone.set()

    async with await asyncio.start_server(dribble, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        hook = Hook("main", http_get=HttpGet(port, host="127.0.0.1"))
        failed = await run_hooks(ProcessPlan("web", pre_stop=(hook,)), "preStop", 1)
        assert failed == ['the preStop hook of container "main" failed: no answer within 1 seconds']
        await gone.wait()


async def test_any_answer_to_a_request_is_success_and_none_is_not() -> None:
    asked: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")

    async with await asyncio.start_server(refuse, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        hook = Hook("main", http_get=HttpGet(port, "quit", headers=(("A", "b"),)))
        plan = ProcessPlan("web", host_network=True, pre_stop=(hook,))
        assert await run_hooks(plan, "preStop", 60) == []
    assert asked[0].startswith(b"GET /quit HTTP/1.1\r\n")
    assert b"User-Agent: kube-lifecycle/" in asked[0]
    assert b"A: b\r\n" in asked[0]
    failed = 'the preStop hook of container "main" failed: connection refused'
    assert await run_hooks(plan, "preStop", 60) == [failed]

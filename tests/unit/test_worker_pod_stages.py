"""What the unit of a pod runs, as processes, with a podman and a systemctl that only answer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flotta.worker import podman
from flotta.worker.http_get_action import HttpGet
from flotta.worker.pod_unit.plan import (
    STARTED_PLAN,
    Hook,
    ProcessPlan,
    UserCheck,
    encode_plan,
)
from flotta.worker.pod_unit.podman_calls import list_running, remove_pod
from flotta.worker.volumes.plan import Claim
from flotta.worker.volumes.preparation import _find_or_create

UNIT = "pod.service"
CHECK = UserCheck("main", "x")


class Programs:
    """Programs that are found first, and the words of their calls."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder / "bin"
        self._folder.mkdir()
        self._calls = folder / "calls"
        self._calls.touch()
        monkeypatch.setenv("PATH", f"{self._folder}:{os.environ['PATH']}")

    def add(self, name: str, script: str) -> None:
        program = self._folder / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> {self._calls}\n{script}\n')
        program.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    return Programs(tmp_path, monkeypatch)


def run_stage(
    stage: str,
    folder: Path,
    plan: ProcessPlan,
    started: ProcessPlan | None = None,
    **variables: str,
) -> subprocess.CompletedProcess[str]:
    path = folder / "process.json"
    path.write_bytes(encode_plan(plan))
    if started is not None:
        (folder / STARTED_PLAN).write_bytes(encode_plan(started))
    return subprocess.run(
        [sys.executable, "-m", "flotta.worker.pod_unit", stage, str(path), UNIT],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


FAILING = """
case "$*" in
  *inspect*) echo exited 4 0;;
  *) exit 0;;
esac
"""


@pytest.mark.parametrize(
    "end", ["kill -TERM $PPID $$", "kill -TERM $$", "(sleep 0.2; kill -TERM $PPID) & kill -TERM $$"]
)
def test_a_unit_that_ends_itself_does_not_fail_when_systemctl_is_ended_too(
    tmp_path: Path, programs: Programs, end: str
) -> None:
    programs.add("podman", FAILING)
    programs.add("systemctl", end)
    plan = ProcessPlan("web", init_containers=("bad",), restart_policy="Never")
    done = run_stage("initialise", tmp_path, plan)
    assert 'init container "bad" exited with code 4' in done.stderr
    # Where systemd does not end the stage, it was not asked to.
    assert done.returncode == (0 if "PPID" in end else 1)


async def test_a_pod_that_podman_fails_to_remove_once_is_removed(
    tmp_path: Path, programs: Programs
) -> None:
    programs.add("podman", f"mkdir {tmp_path}/again 2>/dev/null && exit 1; exit 0")
    await remove_pod("web_init")
    assert len(programs.calls) == 2


def test_an_image_that_became_one_of_root_is_not_started(
    tmp_path: Path, programs: Programs
) -> None:
    programs.add("podman", "echo ''")
    done = run_stage("users", tmp_path, ProcessPlan("web", non_root=(CHECK,)))
    assert done.returncode == 1
    assert done.stderr == 'Error: container "main" has runAsNonRoot and image x runs as root\n'


def test_an_image_of_another_user_is_started(tmp_path: Path, programs: Programs) -> None:
    programs.add("podman", "echo 1000:0")
    assert run_stage("users", tmp_path, ProcessPlan("web", non_root=(CHECK,))).returncode == 0


@pytest.mark.parametrize("may_pull", [True, False])
def test_an_image_that_is_missing_is_looked_at_once_it_is_there(
    tmp_path: Path, programs: Programs, may_pull: bool
) -> None:
    present = f"test -e {tmp_path}/pulled && echo 0 || exit 125"
    programs.add("podman", f"case $1 in pull) touch {tmp_path}/pulled;; *) {present};; esac")
    plan = ProcessPlan("web", non_root=(UserCheck("main", "x", may_pull),))
    done = run_stage("users", tmp_path, plan)
    assert done.returncode == 1
    assert ("runs as root" in done.stderr) is may_pull
    assert ("podman pull -q -- x" in programs.calls) is may_pull


RUNNING = '{"Names": ["web-main"], "PodName": "web"}, {"Names": ["b-main"], "PodName": "b"}'


def test_a_pod_ends_as_the_plan_said_by_which_it_was_started(
    tmp_path: Path, programs: Programs
) -> None:
    programs.add("podman", f"case $1 in ps) echo '[{RUNNING}]';; esac")
    started = ProcessPlan("web", grace=30, pre_stop=(Hook("main", command=("old",)),))
    plan = ProcessPlan("web", grace=5, pre_stop=(Hook("main", command=("new",)),))
    assert run_stage("pre-stop", tmp_path, plan, started, MAINPID="7").returncode == 0
    assert programs.calls[1:] == [
        "podman exec -- web-main old",
        "podman pod stop -t 30 -- web",
    ]


def test_a_pod_that_was_started_without_hooks_gets_none_of_its_successor(
    tmp_path: Path, programs: Programs
) -> None:
    programs.add("podman", "exit 1")
    plan = ProcessPlan("web", grace=5, pre_stop=(Hook("main", command=("new",)),))
    done = run_stage("pre-stop", tmp_path, plan, MAINPID="7")
    assert (done.returncode, done.stderr, programs.calls) == (0, "", [])


def test_without_a_grace_period_no_hook_runs(tmp_path: Path, programs: Programs) -> None:
    programs.add("podman", f"case $1 in ps) echo '[{RUNNING}]';; esac")
    plan = ProcessPlan("web", grace=0, pre_stop=(Hook("main", command=("new",)),))
    done = run_stage("pre-stop", tmp_path, plan, plan, MAINPID="7")
    assert (done.returncode, done.stderr) == (0, "")
    assert programs.calls == ["podman pod stop -t 2 -- web"]


def test_a_request_that_cannot_be_sent_is_a_hook_that_fails(
    tmp_path: Path, programs: Programs
) -> None:
    programs.add("podman", f"case $1 in ps) echo '[{RUNNING}]';; esac")
    request = HttpGet(1, host="127.0.0.1", headers=(("X-Name", "a\nb"),))
    plan = ProcessPlan("web", grace=9, pre_stop=(Hook("main", http_get=request),))
    done = run_stage("pre-stop", tmp_path, plan, plan, MAINPID="7")
    assert done.returncode == 0
    assert 'Error: the preStop hook of container "main" failed' in done.stderr
    assert programs.calls[-1].startswith("podman pod stop")


async def test_a_pod_whose_id_begins_with_a_name_is_another(programs: Programs) -> None:
    programs.add("podman", f"echo '[{RUNNING}]'")
    assert await list_running("b") == ["b-main"]
    assert await list_running("we") == []


async def test_podman_is_not_given_a_name_that_it_takes_for_an_id(programs: Programs) -> None:
    programs.add("podman", "exit 0")
    assert await podman.remove_pod("db")
    assert programs.calls[0] == "podman pod create --infra=false --name db"
    assert await podman.remove_pod("web")
    assert len(programs.calls) == 3


def test_a_volume_whose_name_begins_alike_is_another(tmp_path: Path, programs: Programs) -> None:
    made = tmp_path / "made"
    programs.add(
        "podman",
        f"case $2 in create) touch {made};; esac; test -e {made} || s=2; echo flotta.a.data$s /v$s",
    )
    assert _find_or_create(Claim("data", "flotta.a.data", "a"), None) == Path("/v")

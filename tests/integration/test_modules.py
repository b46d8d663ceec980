"""The modules for workloads and devices against the embedded engine."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.client import (
    Client as PluginClient,
)
from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.errors import (
    Invalid,
    NotFound,
)
from ansible_collections.flotta.edge.plugins.module_utils._manifests import Wanted
from ansible_collections.flotta.edge.plugins.module_utils._whole_objects import WholeObject
from operator_site import Fleet, Site, resource_api, running_operator

from flotta.resources.client import Client
from flotta.resources.kinds import EDGE_DEVICE, EDGE_DEVICE_SET, EDGE_WORKLOAD, Kind

ROOT = Path(__file__).parents[2]
POD = {"spec": {"containers": [{"name": "main", "image": "localhost/none"}]}}
RUN, CHECK = SimpleNamespace(check_mode=False), SimpleNamespace(check_mode=True)
NOW = "2026-05-01T12:00:00Z"


@pytest.fixture(scope="module")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with resource_api(tmp_path_factory.mktemp("modules"), "embedded") as access:
        yield access("admin")


def run(module: str, kubeconfig: Path, /, check: bool = False, **parameters: Any) -> dict[str, Any]:
    """Run a module on this machine; returns what it answers."""
    arguments = json.dumps({"kubeconfig": str(kubeconfig), **parameters})
    program = [
        sys.executable,
        "-m",
        "ansible.cli.adhoc",
        "localhost",
        "-m",
        f"flotta.edge.{module}",
    ]
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
        "ANSIBLE_LOAD_CALLBACK_PLUGINS": "true",
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "PYTHONPATH": str(ROOT / "src"),
    }
    done = subprocess.run(
        [*program, *["--check"] * check, "-a", arguments],
        capture_output=True,
        text=True,
        env=environment,
        cwd=ROOT,
    )
    assert "=>" in done.stdout, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.partition("=> ")[2])
    return answer | {"told": done.stderr}


def run_and_register(
    module: str, kubeconfig: Path, folder: Path, **parameters: Any
) -> dict[str, Any]:
    """Run a module in a play; returns what a later task gets, and what was printed."""
    result = folder / "result.json"
    write = {"content": "{{ answer | to_json }}", "dest": str(result), "mode": "0600"}
    tasks: list[dict[str, Any]] = [
        {
            f"flotta.edge.{module}": {"kubeconfig": str(kubeconfig), **parameters},
            "register": "answer",
            "failed_when": False,
        },
        {"ansible.builtin.copy": write, "no_log": True},
    ]
    play = folder / "play.json"
    play.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "PYTHONPATH": str(ROOT / "src"),
    }
    command = [sys.executable, "-m", "ansible.cli.playbook", str(play), "-vvv"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder)
    assert result.exists(), done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(result.read_text())
    return answer | {"told": done.stdout + done.stderr}


def loaded(module: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return a module for tests of what another program does in the middle of it."""
    monkeypatch.syspath_prepend(str(ROOT / "collections"))
    return importlib.import_module(f"ansible_collections.flotta.edge.plugins.modules.{module}")


async def test_workload_of_an_earlier_release_keeps_its_uploads_and_is_warned_about(
    kubeconfig: Path,
) -> None:
    pair = {"source": "stats", "target": "statistics"}
    pod = {"spec": {"containers": [{"name": "main", "image": "localhost/none"}]}}
    spec = {"type": "pod", "pod": pod, "data": {"paths": [pair]}}
    first = run("edge_workload", kubeconfig, name="old", spec=spec)
    assert first["changed"]
    assert "spec.data.paths is now spec.data.egress" in " ".join(first["told"].split())
    async with await Client.connect(str(kubeconfig)) as client:
        workload = await client.get(EDGE_WORKLOAD, "old", "default")
    assert workload["spec"]["data"] == {"egress": [pair]}
    assert not run("edge_workload", kubeconfig, name="old", spec=spec)["changed"]


async def test_workload_is_waited_for_on_the_devices_that_are_heard_of(kubeconfig: Path) -> None:
    pod = {"spec": {"containers": [{"name": "main", "image": "localhost/none"}]}}
    wanted = {"name": "patient", "spec": {"type": "pod", "pod": pod, "deviceSelector": {}}}
    workload = run("edge_workload", kubeconfig, **wanted)["workload"]
    ready = {"type": "Ready", "status": "Unknown", "message": "", "lastTransitionTime": NOW}
    generation = workload["metadata"]["generation"]
    figures = {"observedGeneration": generation, "matched": 2, "running": 1}
    async with await Client.connect(str(kubeconfig)) as client:

        async def wait(reason: str) -> dict[str, Any]:
            patch = {"status": {**figures, "conditions": [{**ready, "reason": reason}]}}
            await client.merge_patch(EDGE_WORKLOAD, "patient", "default", patch, "status")
            return run("edge_workload", kubeconfig, wait=True, wait_timeout=1, **wanted)

        assert "runs on 1 of 2 devices" in (await wait("Progressing"))["msg"]
        assert "workload" in await wait("DevicesSilent")


class InterruptedClient(PluginClient):
    """A client with an operator that writes figures just before the first change of an object."""

    interrupted = False

    async def replace(
        self, kind: Kind, obj: Any, subresource: str | None = None, *, dry_run: bool = False
    ) -> Any:
        if not self.interrupted and not dry_run:
            self.interrupted = True
            figures = {"status": {"matched": 3}}
            name, namespace = obj["metadata"]["name"], obj["metadata"]["namespace"]
            await self.merge_patch(kind, name, namespace, figures, "status")
        return await super().replace(kind, obj, subresource, dry_run=dry_run)


async def test_workload_changes_while_the_operator_writes_into_it(
    kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = loaded("edge_workload", monkeypatch)
    pod = {"spec": {"containers": [{"name": "main", "image": "localhost/none"}]}}
    async with await InterruptedClient.connect(str(kubeconfig)) as client:
        await Fleet(client).workload("busy", device="till-1")
        spec = {"type": "pod", "pod": pod, "device": "till-2"}
        wanted = Wanted("busy", "default", {}, {}, spec)
        busy = module.WantedWorkload(RUN, client, EDGE_WORKLOAD, wanted, None)
        assert (await busy.ensure_present()).changed
        assert client.interrupted
        workload = await client.get(EDGE_WORKLOAD, "busy", "default")
    assert (workload["spec"]["device"], workload["status"]["matched"]) == ("till-2", 3)


async def test_set_is_what_the_task_says_whoever_changed_it(kubeconfig: Path) -> None:
    wanted = Wanted("whole", "default", {}, {}, {"heartbeat": {"periodSeconds": 30}, "metrics": {}})
    async with await PluginClient.connect(str(kubeconfig)) as client:

        async def ensure(mode: Any, wanted: Wanted = wanted) -> bool:
            whole = WholeObject(mode, client, EDGE_DEVICE_SET, wanted, None)
            return bool((await whole.ensure_present()).changed)

        assert [await ensure(mode) for mode in (CHECK, RUN, CHECK, RUN)] == [True, True] + 2 * [
            False
        ]
        added = {"spec": {"metrics": {"retention": {"maxMiB": 5}}}}
        await client.merge_patch(EDGE_DEVICE_SET, "whole", "default", added)
        assert [await ensure(mode) for mode in (CHECK, RUN, CHECK, RUN)] == [True, True] + 2 * [
            False
        ]
        made = await client.get(EDGE_DEVICE_SET, "whole", "default")
        assert made["spec"].get("metrics", {}).get("retention") is None
        with pytest.raises(NotFound):
            await ensure(CHECK, replace(wanted, namespace="nowhere"))
        with pytest.raises(Invalid):
            await ensure(CHECK, replace(wanted, spec={"heartbeat": {"periodSeconds": -1}}))


async def test_check_mode_of_a_device_fails_where_the_run_would(
    kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = loaded("edge_device", monkeypatch)
    async with await PluginClient.connect(str(kubeconfig)) as client:
        await Fleet(client).device("checked")
        wanted = Wanted("checked", "default", {"bad key!": "x"}, {}, None)
        parameters = SimpleNamespace(adopt=False, wait=False, quarantined=None)
        with pytest.raises(Invalid):
            await module.WantedDevice(CHECK, client, wanted, parameters).ensure_present()


async def test_device_takes_settings_and_set_by_their_old_names(kubeconfig: Path) -> None:
    async with await Client.connect(str(kubeconfig)) as client:
        await Fleet(client).device("till-1")
        wanted = {
            "labels": {"flotta/configured-by": "north"},
            "spec": {"heartbeat": {"period_seconds": 5}},
        }
        assert run("edge_device", kubeconfig, name="till-1", **wanted)["changed"]
        device = await client.get(EDGE_DEVICE, "till-1", "default")
    assert device["spec"]["heartbeat"] == {"periodSeconds": 5}
    assert device["metadata"]["labels"] == {"flotta/member-of": "north"}
    assert not run("edge_device", kubeconfig, name="till-1", **wanted)["changed"]


def run_tasks(kubeconfig: Path, folder: Path, *tasks: tuple[str, dict[str, Any]]) -> Any:
    """Run modules one after the other in one play; returns what each answers, also in failure.

    A name that ends with `?` is a task in check mode.
    """
    written = [
        {
            f"flotta.edge.{name.rstrip('?')}": {"kubeconfig": str(kubeconfig), **parameters},
            "check_mode": name.endswith("?"),
            "register": f"answer{number}",
            "ignore_errors": True,
        }
        for number, (name, parameters) in enumerate(tasks)
    ]
    answers = ", ".join(f"answer{number}" for number in range(len(tasks)))
    result = folder / "answers.json"
    content = {"content": f"{{{{ [{answers}] | to_json }}}}", "dest": str(result), "mode": "0600"}
    play = {"hosts": "localhost", "gather_facts": False}
    play["tasks"] = [*written, {"ansible.builtin.copy": content}]
    (folder / "play.json").write_text(json.dumps([play]))
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections")}
    environment["ANSIBLE_PYTHON_INTERPRETER"] = sys.executable
    command = [sys.executable, "-m", "ansible.cli.playbook", str(folder / "play.json"), "--diff"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder)
    assert result.exists(), done.stdout + done.stderr
    return json.loads(result.read_text())


async def test_waiting_ends_with_the_word_of_the_operator_and_of_members(
    kubeconfig: Path, tmp_path: Path
) -> None:
    south = {"name": "south", "spec": {"heartbeat": {"periodSeconds": 9}}, "wait": True}
    broken = {"type": "Configured", "status": "False", "reason": "Misconfiguration"}
    broken |= {"message": "storage: Secret 'key' does not exist", "lastTransitionTime": NOW}
    ready = {"type": "Ready", "status": "True", "reason": "HeartbeatReceived"}
    ready |= {"message": "", "lastTransitionTime": NOW}
    nowhere = {"type": "pod", "pod": POD, "deviceSelector": {"matchLabels": {"is": "nobody"}}}
    site = Site(tmp_path, tmp_path, None, lambda name: kubeconfig.with_name(f"{name}.kubeconfig"))
    async with await Client.connect(str(kubeconfig)) as client:
        with running_operator(site):
            first = run_tasks(kubeconfig, tmp_path, ("edge_device_set", south))[0]
            await Fleet(client).device("member-2", **{"flotta/member-of": "south"})
            status = {"status": {"conditions": [ready, broken]}}
            await client.merge_patch(EDGE_DEVICE, "member-2", "default", status, "status")
            lacking, unselected, gone = run_tasks(
                kubeconfig,
                tmp_path,
                ("edge_device_set", {**south, "wait_timeout": 0}),
                ("edge_workload", {"name": "n", "spec": nowhere, "wait": True, "wait_timeout": 3}),
                ("edge_workload", {"name": "n", "state": "absent", "wait": True}),
            )
    accepted = {
        item["type"]: item["status"] for item in first["device_set"]["status"]["conditions"]
    }
    assert accepted["Accepted"] == "True"
    assert "member-2: storage: Secret 'key' does not exist." in lacking["msg"]
    assert lacking["reason"] == "Misconfiguration"
    assert "It selects no device" in unselected["msg"]
    assert gone["changed"]

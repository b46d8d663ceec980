"""The collection kubernetes.core on both engines: present, patched, applied, absent."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contract.api import Api, core, devices

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
SCRIPT = HERE.parents[1] / "scripts" / "kubernetes_collection.sh"


@pytest.fixture(scope="session")
def collections() -> str:
    """Return the folder with the collection, which is downloaded if it is missing."""
    response = subprocess.run(
        [str(SCRIPT), sys.executable], capture_output=True, text=True, timeout=300, check=False
    )
    if response.returncode != 0:
        pytest.skip(f"kubernetes.core could not be fetched: {response.stderr.strip()[-200:]}")
    return response.stdout.strip()


@pytest.fixture
def play(
    collections: str, kubeconfig: Path, namespace: str, tmp_path: Path
) -> Callable[[bool], int]:
    """Run the playbook; return how many tasks changed something."""
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": collections,
        "ANSIBLE_HOME": str(tmp_path),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_NOCOLOR": "1",
        "K8S_AUTH_KUBECONFIG": str(kubeconfig),
        "TMPDIR": str(tmp_path),  # kubernetes.core caches discovery here, by address
    }

    def run(again: bool) -> int:
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        variables = json.dumps({"place": namespace, "again": again})
        done = subprocess.run(
            [program, "-e", variables, str(HERE / "kubernetes_core.yml")],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        summary = re.search(r"changed=(\d+)", done.stdout)
        assert summary, done.stdout
        return int(summary[1])

    return run


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "engine",
    ["embedded"],
    indirect=True,
    scope="session",
)
def test_a_playbook_writes_patches_and_applies(
    play: Callable[[bool], int], api: Api, namespace: str
) -> None:
    _play_once(play, api, namespace)


@pytest.mark.deep
@pytest.mark.timeout(900)
def test_a_playbook_converges_and_changes_nothing_more(
    play: Callable[[bool], int], api: Api, namespace: str
) -> None:
    _play_once(play, api, namespace)
    ready = {"type": "Ready", "status": "True", "reason": "Up", "message": "m"}
    ready["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    api.merge(devices(namespace, "shop") + "/status", {"status": {"conditions": [ready]}})
    assert play(True) == 1  # the removal
    assert api.get(devices(namespace, "shop")).status == 404


def _play_once(play: Callable[[bool], int], api: Api, namespace: str) -> None:
    assert play(False) == 5
    shop = api.get(devices(namespace, "shop")).body
    assert shop["spec"] == {
        "heartbeat": {"periodSeconds": 5},
        "metrics": {"system": {"interval": 60}},
        "osInformation": {"commitID": "c"},
    }
    assert api.get(core(namespace, "secrets", "keys")).body["data"] == {"password": "c2VjcmV0"}

"""The modules crds and operator through Ansible, against a real Kubernetes API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from integration_targets import assert_ran, run_playbook

from servers.api_server import KubernetesApi

Object = dict[str, Any]
ROOT = Path(__file__).parents[2]
S3 = {
    "device_endpoint": "https://s3.example:9000",
    "shared_keys": True,
    "access_key": "ADMIN",
    "secret_key": "top-secret-key",
}


def run(module: str, *options: str, **arguments: Any) -> tuple[Object, str]:
    """Run a module ad hoc; returns its result and all output."""
    command = [
        *(sys.executable, "-m", "ansible.cli.adhoc", "localhost", "--inventory", "localhost,"),
        *("--connection", "local", "--module-name", f"flotta.edge.{module}", *options),
        *("--extra-vars", json.dumps({"ansible_python_interpreter": sys.executable})),
        *("--args", json.dumps(arguments)),
    ]
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "collections"),
        "ANSIBLE_NOCOLOR": "1",
        "NO_COLOR": "1",
        "PYTHONPATH": str(ROOT / "src"),
        "KUBECONFIG": "",
    }
    done = subprocess.run(
        command, env=environment, cwd="/", capture_output=True, text=True, check=False
    )
    text = done.stdout
    start = text.index("=> {") + 3
    found: Object = json.JSONDecoder().raw_decode(text[start:])[0]
    return found, text + done.stderr


def test_modules_install_show_and_remove(kubernetes: KubernetesApi) -> None:
    access = {"kubeconfig": str(kubernetes.kubeconfig()), "context": "test"}
    assert run("crds", **access)[0]["changed"]

    wanted = {**access, "wait": False, "s3": S3, "server_names": ["edge.example"]}
    tried, _ = run("operator", "--check", "--diff", **wanted)
    done, output = run("operator", "--diff", "-vvv", **wanted)
    assert tried["changed"]
    assert done["changed"]
    assert "top-secret-key" not in output
    assert done["endpoint"] == "edge.example:30043"
    assert done["versions"]["cluster"].startswith("v1.")
    assert not run("operator", **wanted)[0]["changed"]

    gone, _ = run("operator", **access, state="absent", wait_timeout=60)
    assert gone["changed"]
    assert gone["kept"] == []
    assert not run("operator", **access, state="absent")[0]["changed"]
    assert run("crds", **access, state="absent")[0]["changed"]


def test_crds_are_installed_and_removed_in_four_steps_each(
    kubernetes: KubernetesApi, tmp_path: Path
) -> None:
    config = {"flotta_kubeconfig": str(kubernetes.kubeconfig()), "flotta_crds_may_go": True}
    assert_ran(run_playbook(tmp_path, config, ["crds"]), ["crds"])


def test_a_kubeconfig_that_is_not_there_is_explained() -> None:
    assert "There is no kubeconfig /nowhere" in run("operator", kubeconfig="/nowhere")[0]["msg"]


@pytest.mark.parametrize("content", ["{", "just text"])
def test_a_bad_kubeconfig_is_explained(tmp_path: Path, content: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(content)
    result, _ = run("operator", kubeconfig=str(path))
    assert "no usable kubeconfig" in result["msg"]


def test_a_context_that_is_not_there_is_explained(kubernetes: KubernetesApi) -> None:
    result, _ = run("crds", kubeconfig=str(kubernetes.kubeconfig()), context="production")
    assert "has no context production; use one of" in result["msg"]


def test_a_server_that_does_not_answer_is_explained(
    kubernetes: KubernetesApi, tmp_path: Path
) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(kubernetes.kubeconfig().read_text().replace(str(kubernetes.port), "1"))
    result, _ = run("operator", kubeconfig=str(path))
    assert result["msg"].startswith("The Kubernetes API does not respond")
    assert "check the server's address in the kubeconfig" in result["msg"]
    assert result["reason"] == "Unreachable"


def test_a_bad_option_is_explained(kubernetes: KubernetesApi) -> None:
    access = str(kubernetes.kubeconfig())
    result, _ = run("operator", kubeconfig=access, server_names=["https://edge.example"])
    assert "use host names and addresses, without scheme or port" in result["msg"]

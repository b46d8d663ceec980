"""The integration targets of the collection, each of which runs a module four times.

One ansible-playbook runs them here, but for crds (test_installation_modules.py); ansible-test runs
them one by one in the deep tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from edge_site import edge_api
from integration_targets import assert_ran, names_of_targets, run_playbook
from operator_site import ENGINES, Site, resource_api, running_operator

from bare_controller import COLLECTION
from servers.api_server import KubernetesApi

ROOT = Path(__file__).parents[2]
SETTINGS = {"AUTO_APPROVAL_PROCESS": "false", "OBC_AUTO_CREATE": "false"}
LEAVING = {"DECOMMISSION_TIMEOUT": "1"}  # no device answers


def targets_of(engine: str) -> list[str]:
    """Return the targets that run on an engine. The control planes here need the CRDs."""
    elsewhere = {"crds"} if engine == "embedded" else {"crds", "control_plane_backup"}
    return [name for name in names_of_targets() if name not in elsewhere]


@contextmanager
def control_plane(folder: Path, engine: str) -> Iterator[dict[str, Any]]:
    """Start a control plane on an engine; yields what integration_config.yml says of it."""
    with (
        resource_api(folder, engine) as access,
        edge_api(folder, access),
        running_operator(
            Site(folder, folder / "operator.log", None, access), **SETTINGS, **LEAVING
        ),
    ):
        yield {
            "flotta_kubeconfig": str(access("admin")),
            "flotta_engine": engine,
            "flotta_operator_runs": True,
            "flotta_edge_api_runs": True,
            **(backup_options(folder) if engine == "embedded" else {}),
        }


def backup_options(folder: Path) -> dict[str, Any]:
    """Install flotta-apiserver as the role does; return what the target of backups needs."""
    programs = folder / "programs/current/bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(sys.executable)
    program = (
        f'#!/bin/sh\nPYTHONPATH={ROOT}/src exec {sys.executable} -m flotta.cli.apiserver "$@"\n'
    )
    (programs / "flotta-apiserver").write_text(program)
    (programs / "flotta-apiserver").chmod(0o755)
    places = {
        "database": str(folder / "state.db"),
        "pki_dir": str(folder / "pki"),
        "kubeconfig_dir": str(folder / "kubeconfig"),
    }
    return {"flotta_backup_places": places, "flotta_programs": str(folder / "programs")}


def environment(**variables: str) -> dict[str, str]:
    """Return an environment in which flotta cannot be imported: modules bring what they need."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**kept, "NO_COLOR": "1", "ANSIBLE_NOCOLOR": "1", **variables}


@pytest.mark.on_one_engine
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("engine", ENGINES)
def test_every_module_runs_four_times(engine: str, tmp_path: Path) -> None:
    with control_plane(tmp_path, engine) as config:
        done = run_playbook(tmp_path, config, targets_of(engine))
    assert_ran(done, targets_of(engine))


def test_every_module_that_can_run_here_has_a_target() -> None:
    modules = {file.stem for file in (COLLECTION / "plugins/modules").glob("*.py")}
    with_other_tests = {
        *("configuration_files", "owned_files", "preflight", "wheelhouse"),  # of the roles
        *("device_image", "device_iso", "device_iso_info"),  # tests/images
        "operator",  # test_installation_modules
    }
    assert set(names_of_targets()) == modules - with_other_tests


def copy_collection(folder: Path) -> Path:
    """Return a copy of the collection below a folder ansible_collections, as ansible-test needs."""
    program = [str(ROOT / "scripts/copy_collection.sh"), str(folder)]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def run_ansible_test(
    folder: Path, config: Mapping[str, Any], *targets: str
) -> subprocess.CompletedProcess[str]:
    """Run targets by ansible-test, as a reviewer of the collection would."""
    copy = copy_collection(folder / "copy")
    (copy / "tests/integration/integration_config.yml").write_text(json.dumps(dict(config)))
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    options = ["--allow-unsupported", "--color", "no", "--python", version]
    program = [Path(sys.executable).parent / "ansible-test", "integration", *options, *targets]
    return subprocess.run(program, capture_output=True, text=True, env=environment(), cwd=copy)


@pytest.mark.deep
@pytest.mark.timeout(3600)
def test_ansible_test_runs_every_target(tmp_path: Path) -> None:
    with control_plane(tmp_path, "embedded") as config:
        done = run_ansible_test(tmp_path, config, *targets_of("embedded"))
    assert_ran(done, targets_of("embedded"))


@pytest.mark.deep
def test_ansible_test_installs_and_removes_crds(kubernetes: KubernetesApi, tmp_path: Path) -> None:
    config = {
        "flotta_kubeconfig": str(kubernetes.kubeconfig()),
        "flotta_engine": "kubernetes",
        "flotta_crds_may_go": True,
    }
    done = run_ansible_test(tmp_path, config, "crds")
    assert_ran(done, ["crds"])

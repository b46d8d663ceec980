"""The hosts of the Molecule scenarios: whatever a run left can be removed, and nothing else is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from plain_controller import ROOT
from test_local_hosts import podman

from bare_controller import COLLECTION, BareController, install_artifact

pytestmark = [pytest.mark.deep, pytest.mark.timeout(600)]
MOLECULE = COLLECTION / "extensions/molecule"
NAME = "flotta-test-molecule"
HOST = f"{NAME}-many-till-8"


def site(playbook: str, folder: Path, *options: str, name: str = "many") -> str:
    """Run a playbook for the hosts of the scenario `many`; return its exit code and output."""
    done = subprocess.run(
        [
            *(ROOT / ".venv-site/bin/ansible-playbook", MOLECULE / f"site/{playbook}.yml"),
            *("-i", MOLECULE / "inventory", "-i", MOLECULE / "many/inventory", *options),
        ],
        cwd=ROOT,
        env={
            **{key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
            "FLOTTA_MOLECULE_DIRECTORY": str(folder),
            "FLOTTA_MOLECULE_SITE": name,
            "FLOTTA_SITE_NAME": NAME,
            "MOLECULE_PROJECT_DIRECTORY": str(COLLECTION),
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    return f"{done.returncode}: {' '.join((done.stdout + done.stderr).split())}"


@pytest.fixture
def left_hosts(tmp_path: Path) -> Iterator[None]:
    """Make a container, not started, and a network, as those of a site in a folder that is gone."""
    image = podman("images", "--noheading", "--quiet", "localhost/flotta-edge-host").split()[0]
    label = f"flotta.edge.site={tmp_path}/many"
    podman("create", "--name", HOST, "--label", label, image, "true")
    podman("network", "create", "--label", label, f"{NAME}-many")
    yield
    podman("rm", "--force", HOST)
    podman("network", "rm", "--force", f"{NAME}-many")


@pytest.mark.usefixtures("left_hosts")
def test_hosts_are_removed_where_their_directory_is_gone(tmp_path: Path) -> None:
    removed = site("destroy", tmp_path)
    assert removed.startswith("0:"), removed
    assert not podman("ps", "--all", "--quiet", f"--filter=name={HOST}")
    assert not podman("network", "ls", "--quiet", f"--filter=name={NAME}-many")


def test_a_creation_that_broke_off_is_removed(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    broken = site("create", tmp_path, "--extra-vars", '{"local_hosts_subnets": []}')
    assert re.match("2:.* add a subnet to local_hosts_subnets", broken), broken
    assert tmp_path.stat().st_mode & 0o7777 == 0o1777  # a folder of others, such as /tmp
    assert (tmp_path / "many/id_ed25519").exists()
    removed = site("destroy", tmp_path)
    assert removed.startswith("0:"), removed
    assert list(tmp_path.iterdir()) == []


def test_files_of_others_stay(tmp_path: Path) -> None:
    (tmp_path / "many").mkdir()
    (tmp_path / "many/notes").write_text("mine")
    removed = site("destroy", tmp_path)
    assert re.match("0:.* Left as it is:", removed), removed
    unnamed = site("destroy", tmp_path, name="")
    assert "Name the site in FLOTTA_MOLECULE_SITE" in unnamed, unnamed
    assert (tmp_path / "many/notes").read_text() == "mine"


def test_the_commands_of_the_readme_find_the_scenarios_of_an_artifact(tmp_path: Path) -> None:
    controller = BareController(tmp_path)
    (tmp_path / "venv").symlink_to(ROOT / ".venv-site")
    install_artifact(controller)
    installed = tmp_path / "collections/ansible_collections/flotta/edge"
    tools = ROOT / ".venv-molecule"
    requirements = ROOT / "requirements/molecule.txt"
    subprocess.run([ROOT / "scripts/venv.sh", sys.executable, tools, requirements], check=True)
    readme = (MOLECULE / "README.md").read_text()
    (commands,) = re.findall(
        r"^```\ncd ~/\.ansible/collections/[^\n]*\n(.*?)```", readme, re.M | re.S
    )
    assert " test --scenario-name default\n" in commands
    done = subprocess.run(
        ["sh", "-euc", commands.replace(" test ", " syntax ")],
        cwd=installed,
        env={
            "HOME": str(tmp_path / "home"),
            "LC_ALL": "C.UTF-8",
            "PATH": f"{tools}/bin:{os.defpath}",
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "extensions/molecule/default/converge.yml" in done.stdout + done.stderr

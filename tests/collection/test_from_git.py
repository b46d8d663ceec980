"""The collection without its wheel: a checkout, and what ansible-galaxy installs from git."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / ".venv-site"
COLLECTION = "collections/ansible_collections/flotta/edge"
INVENTORY = """\
[flotta_control_plane]
fleet ansible_connection=local ansible_host=127.0.0.1

[flotta_devices]

[all:vars]
ansible_python_interpreter=/usr/bin/python3
"""
CHECKED = "Check that the host has what it needs"  # the step after the programs were found


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    foreign = ("ANSIBLE_", "PYTHON", "VIRTUAL_ENV")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**clean, "ANSIBLE_NOCOLOR": "1", **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a fresh clone, in which nothing was built."""
    folder = tmp_path_factory.mktemp("git") / "flotta-edge"
    cloned = run("git", "clone", "--quiet", "--shared", ROOT, folder, cwd=ROOT)
    assert cloned.returncode == 0, cloned.stderr
    (folder / ".venv-site").symlink_to(SITE)  # make would create it
    (folder / "hosts.ini").write_text(INVENTORY)
    return folder


def playbook(name: str, cwd: Path, **environment: str) -> str:
    command = (SITE / "bin/ansible-playbook", name, "-i", "hosts.ini", "--check")
    done = run(*command, cwd=cwd, **environment)
    return " ".join((done.stdout + done.stderr).split())


def test_a_copy_from_git_says_which_command_builds_the_programs(
    checkout: Path, tmp_path: Path
) -> None:
    (tmp_path / "hosts.ini").write_text(INVENTORY)
    source = f"git+file://{checkout}#/{COLLECTION}"
    galaxy = (SITE / "bin/ansible-galaxy", "collection", "install", "-p", tmp_path, source)
    done = run(*galaxy, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr

    output = playbook("flotta.edge.site", tmp_path, ANSIBLE_COLLECTIONS_PATH=str(tmp_path))
    found = re.search(r"(git clone \S+) && (make -C flotta-edge wheel COLLECTION=\S+)", output)
    assert found, output
    assert found[1] == "git clone https://github.com/project-flotta/flotta-edge"
    done = run(*found[2].split(), cwd=checkout.parent)
    assert done.returncode == 0, done.stderr
    files = tmp_path / "ansible_collections/flotta/edge/roles/programs/files"
    assert [*files.glob("flotta_edge-*.whl")]
    output = playbook("flotta.edge.site", tmp_path, ANSIBLE_COLLECTIONS_PATH=str(tmp_path))
    assert CHECKED in output


def test_a_checkout_builds_its_programs_itself(checkout: Path) -> None:
    files = checkout / COLLECTION / "roles/programs/files"
    assert not [*files.glob("*.whl")], "git has none of them"
    output = playbook("site.yml", checkout)
    assert [*files.glob("flotta_edge-*.whl")], output
    assert CHECKED in output

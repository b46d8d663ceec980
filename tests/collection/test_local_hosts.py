"""What earlier sites left on the machine: remains are cleared away, a living site is respected."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAME = "flotta-test-remains"
CONTAINER = f"{NAME}-edge-1"
INVENTORY = """
all:
  vars:
    local_hosts_directory: {folder}/site
    local_hosts_cache: {cache}
    local_hosts_name: {name}
    local_hosts_network: {name}
    # No other site may choose it in the same moment.
    local_hosts_subnets: [10.137.7.0/24, 192.168.217.0/24]
flotta_local_hosts:
  hosts:
    edge-1:
      ansible_host: >-
        {{{{ lookup('ansible.builtin.file', local_hosts_directory ~ '/hosts/edge-1.address') }}}}
"""


def playbook(name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program = ROOT / ".venv-site/bin/ansible-playbook"
    return subprocess.run(
        [program, "-i", folder / "hosts.yml", f"flotta.edge.{name}"],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=900,
    )


def podman(*words: str) -> str:
    settings = {"CONTAINERS_CONF": str(Path(__file__).with_name("netavark.conf"))}
    result = subprocess.run(
        ["podman", *words],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=300,
    )
    return result.stdout.strip()


def remove_remains() -> None:
    podman("rm", "--force", "--volumes", "--time=0", CONTAINER)
    podman("network", "rm", "--force", NAME)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    inventory = INVENTORY.format(folder=tmp_path, cache=ROOT / ".cache/flotta", name=NAME)
    (tmp_path / "hosts.yml").write_text(inventory)
    remove_remains()
    yield tmp_path
    remove_remains()


def other_site(directory: Path) -> str:
    """Make a container, not started, that says it belongs to the site in that folder."""
    return other_container("--label", f"flotta.edge.site={directory}")


def other_container(*options: str) -> str:
    """Make a container, not started, with the name that a host of the site gets."""
    image = podman("images", "--noheading", "--quiet", "localhost/flotta-edge-host").split()[0]
    return podman("create", "--name", CONTAINER, *options, image, "true")


@pytest.mark.deep
def test_containers_of_a_site_that_is_gone_make_room(folder: Path) -> None:
    old = other_site(folder / "deleted")
    result = playbook("local_hosts", folder)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-1000:]
    assert podman("container", "inspect", "--format={{.State.Running}}", CONTAINER) == "true"
    assert podman("container", "inspect", "--format={{.Id}}", CONTAINER) != old
    result = playbook("local_hosts_absent", folder)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-1000:]
    assert not podman("ps", "--all", "--quiet", f"--filter=name={CONTAINER}")


@pytest.mark.deep
def test_a_run_that_broke_off_before_the_key_was_in_is_finished_by_the_next(folder: Path) -> None:
    assert playbook("local_hosts", folder).returncode == 0
    (noted,) = (folder / "site/hosts").glob("*.known_hosts")
    host_key = noted.read_text()
    noted.unlink()
    podman("exec", CONTAINER, "rm", "/root/.ssh/authorized_keys")
    result = playbook("local_hosts", folder)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-1000:]
    assert noted.read_text() == host_key
    let_in = podman("exec", CONTAINER, "cat", "/root/.ssh/authorized_keys")
    assert let_in == (folder / "site/id_ed25519.pub").read_text().strip()


def test_containers_of_another_site_are_left_alone(folder: Path) -> None:
    other = folder / "other"
    other.mkdir()
    old = other_site(other)
    result = playbook("local_hosts", folder)
    assert result.returncode != 0
    assert f"belongs to the site in {other}. Remove that site first" in " ".join(
        (result.stdout + result.stderr).split()
    )
    assert podman("container", "inspect", "--format={{.Id}}", CONTAINER) == old


def test_a_container_and_a_network_of_nobody_are_left_alone(folder: Path) -> None:
    container = other_container()
    podman("network", "create", NAME)
    result = playbook("local_hosts", folder)
    assert result.returncode != 0
    assert "belongs to no site of flotta. Choose another local_hosts_name" in " ".join(
        (result.stdout + result.stderr).split()
    )
    (folder / "site/notes").write_text("mine")
    (folder / "site/.flotta-site").unlink()  # as if the directory had existed before
    result = playbook("local_hosts_absent", folder)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-1000:]
    assert podman("container", "inspect", "--format={{.Id}}", CONTAINER) == container
    assert podman("network", "inspect", "--format={{.Name}}", NAME) == NAME
    assert [path.name for path in (folder / "site").iterdir()] == ["notes"]

"""What ansible-builder reads from the collection is enough for its modules and its inventory.

Images are not built here: their bases are in registries.
"""

from __future__ import annotations

import re
import subprocess
import venv
from pathlib import Path

import pytest

from bare_controller import ROOT, BareController, install_artifact

pytestmark = [pytest.mark.deep, pytest.mark.timeout(900)]
TOOLS = ROOT / ".cache/quality"
PAGE = ROOT / "docs/how-to/manage-from-any-controller.md"


def output(*command: str | Path) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> BareController:
    controller = BareController(tmp_path_factory.mktemp("environment"))
    venv.create(controller.folder / "venv", symlinks=True, with_pip=True)
    output(controller.python, "-m", "pip", "install", "--quiet", "ansible-core")
    install_artifact(controller)
    return controller


@pytest.fixture(scope="module")
def builder() -> Path:
    python = ROOT / ".venv-dev/bin/python"
    output(ROOT / "scripts/venv.sh", python, TOOLS, ROOT / "requirements/quality.txt")
    return TOOLS / "bin/ansible-builder"


def test_ansible_builder_finds_the_requirements_and_they_are_enough(
    controller: BareController, builder: Path
) -> None:
    folder = controller.folder
    python, system = folder / "python.txt", folder / "system.txt"
    named = ("--write-pip", python, "--write-bindep", system, folder / "collections")
    output(builder, "introspect", *named)
    assert "kubernetes" in python.read_text()
    assert "openssh-client" in system.read_text()

    missing = controller.ansible("adhoc", "localhost", "-m", "flotta.edge.edge_device_info")
    assert "-m pip install 'kubernetes'" in missing.stdout
    output(controller.python, "-m", "pip", "install", "--quiet", "--requirement", python)
    options = ("localhost", "-m", "flotta.edge.edge_device_info", "-a", "kubeconfig=/none")
    asked = controller.ansible("adhoc", *options)
    assert "There is no kubeconfig /none" in asked.stdout, asked.stdout + asked.stderr
    (folder / "fleet.flotta.yml").write_text("plugin: flotta.edge.fleet\nkubeconfig: /none\n")
    listed = controller.ansible("inventory", "-i", "fleet.flotta.yml", "--list")
    assert "/none" in listed.stderr
    assert "kubernetes is missing" not in listed.stderr


def test_ansible_builder_accepts_an_environment_with_the_collection(
    controller: BareController, builder: Path, tmp_path: Path
) -> None:
    """The definition is that of the documentation, with the artifact beside it."""
    (shown,) = re.findall(r"```yaml\n(version: 3\n.*?)```", PAGE.read_text(), re.S)
    definition = tmp_path / "execution-environment.yml"
    definition.write_text(shown)
    (artifact,) = controller.folder.glob("flotta-edge-*.tar.gz")
    (tmp_path / artifact.name).symlink_to(artifact)
    output(builder, "create", "--file", definition, "--context", tmp_path / "context")
    assert (tmp_path / "context/_build/collections" / artifact.name).exists()
    base = re.search(r"name: (\S+)", shown)
    assert base
    assert base[1] in (tmp_path / "context/Containerfile").read_text()

"""A controller with ansible-core, the package kubernetes and the collection, and nothing else.

Its packages are those of the development environment, linked one by one, so that nothing is
downloaded, or the oldest ones from the index. What the two do not require is not there.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import venv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
COLLECTION = ROOT / "collections/ansible_collections/flotta/edge"
PACKAGES = ("ansible-core", "kubernetes")
SECONDS = 1100  # until a play counts as hanging


@dataclass(frozen=True)
class BareController:
    """The folder has the environment, the installed collection and an empty home directory."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "venv/bin/python"

    def play(
        self, playbook: Path, hosts: Mapping[str, Mapping[str, Any]], **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a playbook with the variables of each host, all of which are this machine."""
        inventory = self.folder / "hosts.json"
        inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
        options = ("--inventory", str(inventory), "--connection", "local")
        return self.ansible("playbook", *options, str(playbook), **environment)

    def ansible(
        self, program: str, *options: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of ansible-core, such as `galaxy`."""
        return subprocess.run(
            [self.python, "-m", f"ansible.cli.{program}", *options],
            env={**self._environment, **environment},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )

    @property
    def _environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.folder / "home"),
            "LC_ALL": "C.UTF-8",
            "PATH": os.defpath,
            "ANSIBLE_COLLECTIONS_PATH": str(self.folder / "collections"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PYTHON_INTERPRETER": str(self.python),
        }


def make_controller(folder: Path) -> BareController:
    """Set a controller up in an empty folder, with the packages of the development environment."""
    controller = BareController(folder)
    venv.create(folder / "venv", symlinks=True)
    (site_packages,) = folder.glob("venv/lib/python*/site-packages")
    for found in _required(PACKAGES):
        _link(found, site_packages)
    install_artifact(controller)
    return controller


def make_oldest_controller(folder: Path) -> BareController:
    """Set a controller up with the oldest packages that the collection admits, from the index."""
    controller = BareController(folder)
    venv.create(folder / "venv", symlinks=True, with_pip=True)
    core = yaml.safe_load((COLLECTION / "meta/runtime.yml").read_text())["requires_ansible"]
    named = (COLLECTION / "meta/ee-requirements.txt").read_text()
    oldest = [f"{name}=={version}.*" for name, version in re.findall(r"^(\w+)>=(.*)", named, re.M)]
    oldest.append(f"ansible-core=={core.removeprefix('>=').removesuffix('.0')}.*")
    pip = [controller.python, "-m", "pip", "install", "--quiet", *oldest]
    subprocess.run(pip, check=True)
    install_artifact(controller)
    return controller


def install_artifact(controller: BareController) -> None:
    """Build the collection's artifact from the working tree, and install it."""
    folder = controller.folder
    (folder / "home").mkdir()
    copy = _output(ROOT / "scripts/copy_collection.sh", folder / "source")
    (Path(copy) / ".cache").mkdir()  # of tools, which keep folders like this in a checkout
    _succeed(controller.ansible("galaxy", "collection", "build", copy))
    (artifact,) = folder.glob("flotta-edge-*.tar.gz")
    _succeed(controller.ansible("galaxy", "collection", "install", "--offline", str(artifact)))


def _required(names: tuple[str, ...]) -> Iterator[Distribution]:
    """Yield the installed packages of these names, and those that they require."""
    seen: set[str] = set()
    todo = list(names)
    while todo:
        name = re.sub(r"[-_.]+", "-", todo.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        found = distribution(name)
        needs = map(Requirement, found.requires or ())
        todo += [
            need.name for need in needs if not need.marker or need.marker.evaluate({"extra": ""})
        ]
        yield found


def _link(found: Distribution, target: Path) -> None:
    tops = {file.parts[0] for file in found.files or () if file.parts[0] != ".."}
    for top in tops - {"__pycache__"}:
        (target / top).symlink_to(Path(str(found.locate_file(top))))


def _output(*command: Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _succeed(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout + done.stderr

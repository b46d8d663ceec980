"""The artifact of the collection, and a controller that has ansible-core alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from plain_controller import ROOT, PlainController, run


@pytest.fixture(scope="session")
def artifact() -> Path:
    """Return the artifact, built from the commit."""
    run("make", "--no-print-directory", "collection", cwd=ROOT)
    (built,) = (ROOT / "build").glob("flotta-edge-*.tar.gz")
    return built


@pytest.fixture(scope="session")
def controller(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> PlainController:
    """Return a controller on which nothing but ansible-core and the artifact is installed."""
    folder = tmp_path_factory.mktemp("controller")
    locked = (ROOT / "requirements/site.txt").read_text().splitlines()
    core = next(line.split()[0] for line in locked if line.startswith("ansible-core=="))
    run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    run(folder / "venv/bin/pip", "install", "--quiet", core, cwd=folder)
    (folder / artifact.name).symlink_to(artifact)
    controller = PlainController(folder)
    controller.run(controller.command_of_readme("ansible-galaxy collection install flotta-edge"))
    return controller

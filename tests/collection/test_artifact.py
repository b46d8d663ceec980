"""The one file that users install, built from the commit.

It needs nothing of the checkout but the inventory.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from plain_controller import ROOT, PlainController, run


def digest(collections: Path) -> str:
    """Return what tells the programs in a collection from others."""
    files = collections / "ansible_collections/flotta/edge/roles/programs/files"
    return (files / "digest").read_text()


def test_the_artifact_holds_the_programs_and_nothing_of_the_sort_twice(artifact: Path) -> None:
    with tarfile.open(artifact) as tar:
        names = tar.getnames()
    wheels = [name for name in names if name.endswith(".whl")]
    locked = [
        Path(name).name for name in names if "/requirements/" in name and name.endswith(".txt")
    ]
    assert len(wheels) == 1, wheels
    assert sorted(locked) == ["control-plane.txt", "device.txt", "images.txt", "sync.txt"]


def test_the_same_commit_gives_the_same_wheel(artifact: Path) -> None:
    def wheel() -> bytes:
        with tarfile.open(artifact) as tar:
            (name,) = (name for name in tar.getnames() if name.endswith(".whl"))
            stream = tar.extractfile(name)
            assert stream is not None
            return stream.read()

    before = wheel()
    run("make", "--no-print-directory", "collection", cwd=ROOT)
    assert wheel() == before


def test_an_empty_environment_runs_the_site_from_the_artifact(controller: PlainController) -> None:
    if not (ROOT / ".site" / "kubeconfig").exists():
        pytest.fail("no local site is running here; run `make site` first")
    command = controller.command_of_readme("ansible-playbook flotta.edge.site")
    output = controller.run(command.replace("hosts.ini", str(ROOT / "inventories/local")))
    recap = output.split("PLAY RECAP")[1]
    assert "till-1" in recap
    assert "os-stats" in output
    if digest(controller.folder / ".ansible/collections") == digest(ROOT / "collections"):
        # The site runs the same programs, so this is its second run.
        assert recap.count("changed=0") == recap.count("changed=") > 2, recap

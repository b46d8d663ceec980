"""The one file that users install, built from the commit.

It needs nothing of the checkout but the inventory.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    clean = {
        k: v
        for k, v in os.environ.items()
        if not k.startswith(("ANSIBLE_", "PYTHON", "VIRTUAL_ENV"))
    }
    result = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-2000:]
    return result.stdout


def digest(collections: Path | str) -> str:
    """Return what tells the programs in a collection from others."""
    files = Path(collections) / "ansible_collections/flotta/edge/roles/programs/files"
    return (files / "digest").read_text()


@pytest.fixture(scope="module")
def artifact() -> Path:
    run("make", "--no-print-directory", "collection", cwd=ROOT)
    (built,) = (ROOT / "build").glob("flotta-edge-*.tar.gz")
    return built


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


def test_an_empty_environment_runs_the_site_from_the_artifact(
    artifact: Path, tmp_path: Path
) -> None:
    if not (ROOT / ".site" / "kubeconfig").exists():
        pytest.fail("no local site is running here; run `make site` first")
    core = next(
        line.split()[0]
        for line in (ROOT / "requirements" / "site.txt").read_text().splitlines()
        if line.startswith("ansible-core==")
    )
    venv = tmp_path / "venv"
    run(sys.executable, "-m", "venv", venv, cwd=tmp_path)
    run(venv / "bin/pip", "install", "--quiet", core, cwd=tmp_path)
    home = {
        "HOME": str(tmp_path),
        "LC_ALL": "C.UTF-8",
        "PATH": f"{venv}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "collections"),
    }
    run(
        venv / "bin/ansible-galaxy",
        "collection",
        "install",
        "--offline",
        artifact,
        cwd=tmp_path,
        **home,
    )

    program = venv / "bin/ansible-playbook"
    output = run(
        program, "flotta.edge.site", "-i", ROOT / "inventories/local", cwd=tmp_path, **home
    )

    recap = output.split("PLAY RECAP")[1]
    assert "till-1" in recap
    assert "os-stats" in output
    if digest(home["ANSIBLE_COLLECTIONS_PATH"]) == digest(ROOT / "collections"):
        # The site runs the same programs, so this is its second run.
        assert recap.count("changed=0") == recap.count("changed=") > 2, recap

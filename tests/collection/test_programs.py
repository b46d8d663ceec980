"""The role that installs the programs: releases that nothing uses make room."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLAY = """
- hosts: localhost
  gather_facts: false
  roles:
    - role: flotta.edge.programs
      vars:
        programs_directory: {directory}
        programs_extras: [sync]
"""


def install(folder: Path) -> str:
    """Run the role; returns the recap."""
    (folder / "play.yml").write_text(PLAY.format(directory=folder / "flotta"))
    result = subprocess.run(
        [
            ROOT / ".venv-site/bin/ansible-playbook",
            "-i",
            "localhost,",
            "-c",
            "local",
            folder / "play.yml",
        ],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-1000:]
    return result.stdout.split("PLAY RECAP")[1]


def release(folder: Path, name: str) -> Path:
    """Make what looks like an installed release with one program, which sleeps."""
    made = folder / "flotta" / name
    (made / "bin").mkdir(parents=True)
    (made / ".flotta-release").touch()
    shutil.copy("/bin/sleep", made / "bin/python")
    return made


def test_releases_that_nothing_uses_make_room(tmp_path: Path) -> None:
    idle, used = release(tmp_path, "0.0.1+idle"), release(tmp_path, "0.0.2+used")
    own = tmp_path / "flotta/own"  # of somebody else: it has no mark of the role
    own.mkdir()
    (own / "pyvenv.cfg").touch()
    with subprocess.Popen([used / "bin/python", "600"]) as process:
        try:
            install(tmp_path)
        finally:
            process.terminate()
    assert not idle.exists()
    assert used.exists()
    assert own.exists()
    current = (tmp_path / "flotta/current").resolve()
    assert (current / "bin/flotta-device-worker").exists()
    assert "changed=0" in install(tmp_path)
    (current / "programs.json").write_text("{}")  # as if another release were installed
    install(tmp_path)
    assert not used.exists()
    assert (tmp_path / "flotta/current").resolve() == current

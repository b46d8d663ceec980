"""The release before this one, to be started on the state of this one.

Its source comes from the history of the repository, so a clone must reach back to it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
COMMIT = "76f0087"  # 0.1.0


def unpack_former_release(folder: Path) -> Path:
    """Unpack the source of that release; return what PYTHONPATH has to be."""
    command = ["git", "-C", str(ROOT), "archive", "--format=tar", COMMIT, "src"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(
            f"needs the commit {COMMIT} of 0.1.0; in a shallow clone: git fetch --unshallow"
        )
    with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder / "src"


def run_former(source: Path, program: str, *arguments: str) -> Any:
    """Run a Python program with the modules of that release; return the JSON that it prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(source)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)

"""The release before this one, to be started on the state of this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from releases import RELEASES, unpack

COMMIT = RELEASES[-1].commit


def unpack_former_release(folder: Path) -> Path:
    """Unpack the source of that release; return what PYTHONPATH has to be."""
    return unpack(RELEASES[-1], folder, "src") / "src"


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

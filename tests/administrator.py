"""The command line of an administrator, as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"
TIMEOUT = 60.0  # seconds


def flotta(kubeconfig: Path | str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `flotta` with these arguments to its end, whatever its exit status."""
    environment = {"PYTHONPATH": str(SOURCE), "KUBECONFIG": str(kubeconfig), "COLUMNS": "120"}
    return subprocess.run(
        [sys.executable, "-m", "flotta.cli.flotta", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )

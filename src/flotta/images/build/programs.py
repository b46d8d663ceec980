"""The programs in the root of an image, installed by its own Python as the role does it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from flotta.images.build.isolated import run_isolated
from flotta.images.build.suites import Suite
from flotta.images.build.wheelhouse import EXTRAS, Wheelhouse, unpack_wheelhouse
from flotta.images.errors import ImageError
from flotta.protocol.reasons.images import TOOL_FAILED

PROGRAMS = "opt/flotta"  # below the root
WHEELS = "boot/wheels"  # below the root, and not in the image
S3_DATA = ("s3",)  # services of AWS whose descriptions boto3 needs on a device


def install_programs(root: Path, suite: Suite, house: Wheelhouse) -> None:
    """Install the programs and the link `current`; raises ImageError when pip refuses a wheel."""
    unpack_wheelhouse(house, root / WHEELS)
    folder = f"/{PROGRAMS}/{house.release}"
    python = f"{folder}/bin/python3"
    run_isolated(["python3", "-m", "venv", "--without-pip", folder], root=root)
    pip = [
        *(python, f"{_pip(root)}/pip", "install", "--quiet", "--no-index", "--no-compile"),
        *("--no-warn-script-location", "--root-user-action=ignore", "--no-cache-dir"),
        f"--find-links=/{WHEELS}",
    ]
    requirements = [f"--requirement=/{WHEELS}/{extra}.txt" for extra in EXTRAS]
    run_isolated([*pip, "--require-hashes", *requirements], root=root)
    run_isolated([*pip, "--no-deps", f"/{WHEELS}/{house.wheel}"], root=root)
    _remove_unused(root / PROGRAMS / house.release, suite)
    compilation = ["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    run_isolated([python, *compilation, f"{folder}/lib"], root=root)
    _record(root / PROGRAMS, suite, house)


def _pip(root: Path) -> str:
    wheels = sorted((root / "boot/build/usr/share/python-wheels").glob("pip-*.whl"))
    if not wheels:
        raise ImageError(
            TOOL_FAILED,
            "The package python3-pip-whl has no wheel of pip. Report this with the suite.",
        )
    return f"/{wheels[-1].relative_to(root)}"


def _remove_unused(folder: Path, suite: Suite) -> None:
    """Remove descriptions of other services than S3: nine tenths of the programs' size."""
    data = folder / f"lib/python{suite.python}/site-packages/botocore/data"
    for entry in data.iterdir() if data.is_dir() else ():
        if entry.is_dir() and entry.name not in S3_DATA:
            shutil.rmtree(entry)


def _record(programs: Path, suite: Suite, house: Wheelhouse) -> None:
    note = {"digest": house.digest, "extras": list(EXTRAS), "python": suite.python}
    text = json.dumps(note)
    (programs / house.release / "programs.json").write_text(text, encoding="ascii")
    (programs / "current").symlink_to(house.release)

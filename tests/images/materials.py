"""What the tests of images need that takes long to make; made once, kept in the user's cache.

A base image of this checkout is made again when the programs, the builder or the locked packages
change; the root of Debian's packages in it is kept longer, by the builder itself.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from flotta.images.build.architectures import AMD64
from flotta.images.build.base_image import build_base, plan_build
from flotta.images.build.request import BaseRequest
from flotta.images.build.suites import Suite
from flotta.images.build.wheelhouse import EXTRAS
from pods.materials import ROOT, digest_of, once, read_output, sample_archive

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "flotta-edge"
IMAGES = CACHE / "images"
KEPT = 2  # base images of a suite: that of this checkout, and the one before


def base_image(suite: Suite) -> Path:
    """Return a base image with the programs of this checkout and the sample workload's image."""
    request = BaseRequest(
        suite,
        AMD64,
        wheelhouse(suite),
        IMAGES / "unnamed.iso",
        container_images=(sample_archive(),),
        cache=CACHE,
    )
    path = IMAGES / f"base-{suite.name}-{plan_build(request).inputs[:16]}.iso"
    with once(path) as new:
        if new:
            build_base(plan_build(replace(request, output=new)))
            _forget_older(suite)
    os.utime(path)
    return path


def wheelhouse(suite: Suite) -> Path:
    """Return a directory with the wheels of a device, those of this checkout among them."""
    files = [ROOT / f"requirements/{extra}.txt" for extra in EXTRAS]
    locked = IMAGES / f"wheels-{suite.python}-{digest_of(files)}"
    with once(locked) as new:
        if new:
            _download(files, suite.python, new)
    house = IMAGES / f"house-{suite.python}-{_source_digest()}"
    with once(house) as new:
        if new:
            shutil.rmtree(new, ignore_errors=True)
            shutil.copytree(locked, new)
            _build_wheel(new)
    return house


def _download(files: list[Path], python: str, folder: Path) -> None:
    given = [word for file in files for word in ("--requirement", str(file))]
    read_output(
        *(sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"),
        *("--no-deps", "--require-hashes", "--only-binary=:all:", "--python-version", python),
        *("--dest", str(folder), *given),
    )
    for file in files:
        shutil.copyfile(file, folder / file.name)


def _build_wheel(folder: Path) -> None:
    """Build the wheel of this checkout; the same sources give the same bytes."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=ROOT,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1767225600"},
        check=True,
        capture_output=True,
    )


def _source_digest() -> str:
    folders = (ROOT / "src", ROOT / "collections/ansible_collections/flotta/edge/roles/device")
    found = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return digest_of(
        [
            *sorted(path for path in found if path.suffix != ".pyc"),
            ROOT / "pyproject.toml",
            *(ROOT / f"requirements/{extra}.txt" for extra in EXTRAS),
        ]
    )


def _forget_older(suite: Suite) -> None:
    """Remove what earlier checkouts left in the cache."""
    for pattern, kept in ((f"base-{suite.name}-*.iso", KEPT - 1), ("house-*", 2 * KEPT)):
        made = (path for path in IMAGES.glob(pattern) if path.suffix != ".lock")
        found = sorted(made, key=lambda path: path.stat().st_mtime)
        for path in found[: len(found) - kept]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            path.with_name(f"{path.name}.lock").unlink(missing_ok=True)

"""Remove from the virtual environment that runs this what the control plane never loads.

What it loads is found by importing every module of flotta. Of those modules the byte code is
written, because the container's file system is read-only when it runs.
"""

from __future__ import annotations

import importlib
import pkgutil
import py_compile
import shutil
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import flotta

PACKAGES = Path(sysconfig.get_path("purelib"))
# Programs of devices and of the embedded engine, which the image does not offer.
OTHER_PROGRAMS = (
    "flotta.apiserver",
    "flotta.gateway",
    "flotta.worker",
    "flotta.sync",
    "flotta.cli.apiserver",
    "flotta.cli.commands.apiserver",
    "flotta.cli.gateway",
    "flotta.cli.device_worker",
)
SCRIPTS = frozenset({"flotta", "flotta-edge-api", "flotta-operator"})
# Generated classes, one per file, which the Kubernetes client imports when they are asked for.
GENERATED = (
    "kubernetes/client/api",
    "kubernetes/client/models",
    "kubernetes/aio/client/api",
    "kubernetes/aio/client/models",
)
AWS_SERVICES = frozenset({"iam", "s3", "sts"})
SOURCES = ("*.c", "*.h", "*.pxd", "*.pxi", "*.pyx", "*.pyi")


def load_everything() -> list[Path]:
    """Import all modules that the image's programs may need; return the files that were loaded."""
    for module in pkgutil.walk_packages(flotta.__path__, "flotta."):
        if not module.name.startswith(OTHER_PROGRAMS):
            load(module.name)
    importlib.import_module("boto3").client("s3", region_name="us-east-1")
    return [path for path in map(source_of, list(sys.modules.values())) if path]


def load(name: str) -> None:
    """Import a module unless it needs a package that only devices have."""
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if not error.name or error.name.startswith("flotta"):
            raise


def source_of(module: ModuleType) -> Path | None:
    """Return the source of an installed module, None for one without or of Python itself."""
    path = Path(getattr(module, "__file__", None) or "/")
    return path if path.is_relative_to(PACKAGES) and path.suffix == ".py" else None


def remove_unused(loaded: set[Path]) -> None:
    """Remove what was not loaded and is not wanted: classes, sources in C, scripts, data, tests."""
    generated = (path for folder in GENERATED for path in (PACKAGES / folder).glob("*.py"))
    sources = (path for pattern in SOURCES for path in PACKAGES.rglob(pattern))
    scripts = (path for path in Path(sys.prefix, "bin").iterdir() if not wanted_script(path.name))
    for path in [*(path for path in generated if path not in loaded), *sources, *scripts]:
        path.unlink()
    services = (path for path in (PACKAGES / "botocore/data").iterdir() if path.is_dir())
    tests = (path for path in PACKAGES.rglob("tests") if path.is_dir())
    for folder in [*(path for path in services if path.name not in AWS_SERVICES), *tests]:
        shutil.rmtree(folder)


def wanted_script(name: str) -> bool:
    """Tell whether a program of the environment stays."""
    return name in SCRIPTS or name.startswith("python")


def compile_to_byte_code(paths: set[Path]) -> None:
    """Write byte code that is valid whatever happens to the times of the files."""
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    for path in paths:
        py_compile.compile(str(path), doraise=True, invalidation_mode=mode)


if __name__ == "__main__":
    used = set(load_everything())
    remove_unused(used)
    compile_to_byte_code({path for path in used if path.exists()})

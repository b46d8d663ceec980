"""The root file system of a base image, before programs: an archive made by mmdebstrap.

It depends on packages alone, and is kept in a cache: another release of the programs on the same
packages needs no network and no installation of packages.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import shutil
import time
from importlib.resources import as_file, files
from pathlib import Path

from flotta.images.build.isolated import run_isolated
from flotta.images.build.mirror_credentials import authentication, without_credentials
from flotta.images.build.request import BaseRequest
from flotta.images.build.sources import package_sources
from flotta.images.build.suites import BUILD_PACKAGES, PACKAGES

FORMAT = 1  # raised when the archive is made in another way
UNUSED = 30 * 86400  # seconds after which an archive that nobody used is removed
PREFIX = "base-root-"
EXCLUDED = ("man", "doc", "locale", "info", "lintian", "bash-completion")  # in /usr/share
HOOK = "customize.sh"
AUTHENTICATION = "etc/apt/auth.conf.d/flotta-build.conf"  # below the root; the hook removes it


def root_archive(request: BaseRequest, work: Path) -> Path:
    """Return the archive of the root, from the cache unless newer packages are asked for.

    A new one is made in `work` and moved to the cache; where the cache cannot be written to, it
    stays in `work`. Raises ImageError when it cannot be made.
    """
    kept = request.cache / f"{PREFIX}{_name(request)}.tar"
    if kept.exists() and not request.refresh:
        with contextlib.suppress(PermissionError):  # of another user
            os.utime(kept)  # the time of the last use
        return kept
    made = work / "root.tar"
    _bootstrap(request, made, work)
    return _keep(made, kept)


def _name(request: BaseRequest) -> str:
    hook = files(__package__).joinpath("data", HOOK).read_bytes()
    mirrors = tuple(map(without_credentials, request.mirrors))
    about = repr((FORMAT, _packages(request), mirrors, request.components))
    digest = hashlib.sha256(about.encode() + hook).hexdigest()[:12]
    return f"{request.suite.name}-{request.architecture.name}-{digest}"


def _packages(request: BaseRequest) -> list[str]:
    return sorted({*PACKAGES, *request.packages})


def _bootstrap(request: BaseRequest, made: Path, work: Path) -> None:
    architecture = request.architecture
    unpacked = " ".join((architecture.kernel, *architecture.loaders, *BUILD_PACKAGES))
    lines = package_sources(request.suite, request.mirrors, request.components)
    secret = work / "auth.conf"
    with open(secret, "w", encoding="utf-8", opener=_private) as file:
        file.write(authentication(lines))
    with as_file(files(__package__).joinpath("data", HOOK)) as hook:
        run_isolated(
            [
                "mmdebstrap",
                "--quiet",
                "--mode=root",
                "--variant=minbase",
                "--format=tar",
                f"--architectures={architecture.name}",
                f"--include={','.join(_packages(request))}",
                '--aptopt=APT::Install-Recommends "false"',
                *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in EXCLUDED),
                f'--setup-hook=install -D -m 600 {shlex.quote(str(secret))} "$1/{AUTHENTICATION}"',
                f'--customize-hook=sh {hook} "$1" {unpacked}',
                request.suite.name,
                str(made),
                *map(without_credentials, lines),
            ],
            environment={"SOURCE_DATE_EPOCH": str(request.suite.epoch), "TMPDIR": str(work)},
        )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _keep(made: Path, kept: Path) -> Path:
    partial = kept.with_name(f"{kept.name}.partial-{os.getpid()}")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        _remove_unused(kept.parent)
        shutil.copyfile(made, partial)
        with open(partial, "rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, kept)
    except OSError:  # the cache saves time, and nothing depends on it
        partial.unlink(missing_ok=True)
        return made
    return kept


def _remove_unused(cache: Path) -> None:
    for found in cache.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # of another user, or removed meanwhile
            old = UNUSED if found.suffix == ".tar" else 3600
            if time.time() - found.stat().st_mtime > old:
                found.unlink()

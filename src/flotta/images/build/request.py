"""What a base image is to be, checked before anything is done."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flotta.images.build.architectures import ARCHITECTURES, Architecture
from flotta.images.build.mirror_credentials import without_credentials
from flotta.images.build.suites import SUITES, Suite
from flotta.images.errors import ImageError
from flotta.protocol.reasons.images import INVALID_SETTINGS, WRONG_ARCHITECTURE

# Debian Policy, 5.6.1. A name that ends with a minus tells apt to remove the package.
PACKAGE = re.compile(r"[a-z0-9][a-z0-9.+-]*[a-z0-9.+]")
MAX_EPOCH = 2**32 - 1  # of the file systems in the image
COMPONENT = re.compile(r"[a-z][a-z-]*")
COMPRESSIONS = {
    "zstd-3": ("zstd", "-Xcompression-level", "3"),
    "zstd-15": ("zstd", "-Xcompression-level", "15"),
    "xz": ("xz",),
}
DEFAULT_CACHE = Path("~/.cache/flotta-edge")


@dataclass(frozen=True)
class BaseRequest:
    """Settings of a base image; `epoch` None stands for the time of the programs' wheel."""

    suite: Suite
    architecture: Architecture
    wheelhouse: Path
    output: Path
    packages: tuple[str, ...] = ()
    components: tuple[str, ...] = ("main",)
    container_images: tuple[Path, ...] = ()  # archives
    compression: str = "zstd-3"
    mirrors: tuple[str, ...] = ()
    cache: Path = DEFAULT_CACHE
    epoch: int | None = None
    refresh: bool = False
    force: bool = False


def find_suite(name: str) -> Suite:
    """Return the suite; raises ImageError for one from which no image can be built."""
    if name not in SUITES:
        raise _invalid(f"There is no base image of the suite {name!r}", SUITES)
    return SUITES[name]


def find_architecture(name: str) -> Architecture:
    """Return the architecture; raises ImageError for one that no image can have."""
    if name not in ARCHITECTURES:
        known = " or ".join(ARCHITECTURES)
        raise ImageError(
            WRONG_ARCHITECTURE,
            f"There is no base image for the architecture {name!r}. Use {known}.",
        )
    return ARCHITECTURES[name]


def check_request(request: BaseRequest) -> None:
    """Raise ImageError for a setting that is misspelt."""
    if request.compression not in COMPRESSIONS:
        raise _invalid(f"The compression {request.compression!r} is unknown", COMPRESSIONS)
    _match(request.packages, PACKAGE, "name of a package")
    _match(request.components, COMPONENT, "component of Debian's archive")
    if request.epoch is not None and not 0 <= request.epoch <= MAX_EPOCH:
        raise ImageError(
            INVALID_SETTINGS,
            f"The epoch {request.epoch} is out of range. Use seconds from 0 to {MAX_EPOCH}.",
        )
    for mirror in request.mirrors:
        _check_mirror(mirror)


def inputs_digest(request: BaseRequest, wheelhouse: str, images: Iterable[str]) -> str:
    """Return the digest of all that an image is made from, apart from versions of packages.

    `wheelhouse` and `images` are the digests of their contents.
    """
    about = {
        "suite": request.suite.name,
        "architecture": request.architecture.name,
        "packages": sorted(set(request.packages)),
        "components": list(request.components),
        "mirrors": [without_credentials(mirror) for mirror in request.mirrors],
        "compression": request.compression,
        "epoch": request.epoch,
        "wheelhouse": wheelhouse,
        "containerImages": sorted(images),
        "builder": builder_digest(),
    }
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def builder_digest() -> str:
    """Return the digest of the files of this package: another builder makes another image."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(found for found in folder.rglob("*") if found.is_file()):
        if path.suffix != ".pyc":
            digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def _check_mirror(mirror: str) -> None:
    shown = without_credentials(mirror)
    if "@" in shown:  # what is before it may be a password
        raise ImageError(
            INVALID_SETTINGS,
            "A mirror has an @ that does not end the name and the password of an address. Write "
            "@, / and blanks in them as %40, %2F and %20.",
        )
    if "\n" in mirror or not ("://" in mirror or mirror.startswith("deb ")):
        raise ImageError(
            INVALID_SETTINGS,
            f"The mirror {shown!r} is neither an address nor a line of sources.list. Write "
            "http://HOST/debian, or a line that begins with deb.",
        )


def _match(values: Sequence[str], form: re.Pattern[str], what: str) -> None:
    for value in values:
        if not form.fullmatch(value):
            raise ImageError(INVALID_SETTINGS, f"{value!r} is not a {what}. Correct it.")


def _invalid(sentence: str, known: Iterable[str]) -> ImageError:
    return ImageError(INVALID_SETTINGS, f"{sentence}. Use {' or '.join(known)}.")

"""Archives of container images that a base image brings along."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flotta.images.errors import ImageError
from flotta.protocol.reasons.images import INVALID_SETTINGS

FOLDER = "usr/share/flotta/container-images"  # below the root
DIGEST = re.compile(r"[0-9a-f]{64}")  # SHA-256
MAX_INDEX = 1 << 20  # bytes of a file that describes an archive


@dataclass(frozen=True)
class ContainerImage:
    """An archive, and the id that podman gives the image in it."""

    path: Path
    id: str
    digest: str  # SHA-256 of the archive


def read_container_image(path: Path) -> ContainerImage:
    """Read what is in an archive of `podman save`; raises ImageError when it is none."""
    try:
        with open(path, "rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        with tarfile.open(path, "r:") as archive:
            return ContainerImage(path, _read_id(archive), digest)
    except (
        *(OSError, EOFError, tarfile.TarError, ValueError, LookupError),
        *(TypeError, AttributeError, RecursionError),
    ) as error:
        raise ImageError(
            INVALID_SETTINGS,
            f"{path} is not an archive of one container image. Make it with podman save "
            f"-o {path.name} IMAGE.",
        ) from error


def add_container_images(root: Path, images: list[ContainerImage]) -> None:
    """Copy the archives, and beside each the id by which the device knows that it has it."""
    folder = root / FOLDER
    for image in images:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(image.path, folder / f"{image.id}.tar")
        (folder / f"{image.id}.id").write_text(f"{image.id}\n", encoding="ascii")


def _read_id(archive: tarfile.TarFile) -> str:
    """Return the digest of the image's configuration, which is its id for podman.

    The forms are those of `docker save` (manifest.json) and of the OCI's image layout.
    """
    if "manifest.json" in archive.getnames():
        (manifest,) = _json(archive, "manifest.json")
        config = manifest["Config"]
        archive.getmember(config)
    else:
        (entry,) = _json(archive, "index.json")["manifests"]
        manifest = _json(archive, _blob(entry["digest"]))
        config = manifest["config"]["digest"]
        archive.getmember(_blob(config))
    return _hexadecimal(config.removesuffix(".json").rpartition(":")[2].rpartition("/")[2])


def _blob(digest: str) -> str:
    return f"blobs/sha256/{_hexadecimal(digest.removeprefix('sha256:'))}"


def _hexadecimal(text: str) -> str:
    if not DIGEST.fullmatch(text):
        raise ValueError(text)
    return text


def _json(archive: tarfile.TarFile, name: str) -> Any:
    stream = archive.extractfile(name)
    if stream is None:
        raise ValueError(name)
    return json.loads(stream.read(MAX_INDEX))

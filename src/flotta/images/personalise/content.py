"""The payload of a medium from its settings: the same settings give the same bytes.

The content id is the SHA-256 of everything that the medium is made from. It covers secrets, but
always the private key too, so that nobody can guess a passphrase from it. Whoever reads a medium
computes it again; it finds what was changed by accident or without this program.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import flotta
from flotta.images.errors import ImageError
from flotta.images.settings.medium import Settings
from flotta.payload.device_files import make_files
from flotta.payload.manifest import FORMAT, MAX_MANIFEST, Manifest, dump_manifest
from flotta.payload.tree import PayloadFile, pack
from flotta.protocol.reasons.images import AREA_TOO_SMALL
from flotta.rfc3339 import format_time

NO_ID = "0" * 64


@dataclass(frozen=True)
class Content:
    """What an area is to hold, and its description."""

    manifest: Manifest
    payload: bytes

    @property
    def payload_sha256(self) -> str:
        """Hex SHA-256 of the payload without padding, for servers with attestation."""
        return hashlib.sha256(self.payload).hexdigest()


def make_content(settings: Settings, base_id: str, additions: Sequence[PayloadFile]) -> Content:
    """Return the content of a medium; `base_id` is "" for a seed, which fits any base."""
    files = make_files(settings.personalisation)
    plain = dump_manifest(_make_manifest(settings, files, NO_ID))
    content_id = identify_content(plain, base_id, settings.epoch, [*files, *additions])
    manifest = _make_manifest(settings, files, content_id)
    dumped = dump_manifest(manifest)
    if len(dumped) > MAX_MANIFEST:
        raise too_small(len(dumped), MAX_MANIFEST)
    return Content(manifest, pack(dumped, files, settings.epoch, additions))


def too_small(needed: int, size: int) -> ImageError:
    """Return the error of settings that do not fit."""
    return ImageError(
        AREA_TOO_SMALL,
        f"The settings need {needed} bytes, and the base has {size} for them. Leave out large "
        "ones: what all devices need belongs into the base.",
    )


def _make_manifest(settings: Settings, files: Iterable[PayloadFile], content_id: str) -> Manifest:
    wanted, credential = settings.personalisation, settings.credential
    return Manifest(
        format=FORMAT,
        content_id=content_id,
        serial_number=credential.peer.serial_number,
        not_before=format_time(credential.peer.not_before),
        not_after=format_time(credential.peer.not_after),
        server=wanted.server,
        ca_fingerprint=credential.authority_fingerprint,
        namespace=wanted.namespace,
        release=flotta.__version__,
        batch=wanted.batch,
        device_id=wanted.device_id,
        labels=wanted.labels,
        state_disk=wanted.state_disk,
        files=[file.describe() for file in files],
    )


def identify_content(
    manifest: bytes, base_id: str, epoch: int, files: Iterable[PayloadFile]
) -> str:
    """Return the content id; the manifest has NO_ID in its place."""
    parts: Mapping[str, Any] = {
        "base": base_id,
        "epoch": epoch,
        "manifest": hashlib.sha256(manifest).hexdigest(),
        "files": [_identify(file, epoch) for file in files],
    }
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _identify(file: PayloadFile, epoch: int) -> Sequence[str | int]:
    mtime = epoch if file.mtime is None else file.mtime
    return file.path, file.mode, mtime, hashlib.sha256(file.content).hexdigest()

"""The manifest of a personalised medium: what is on it, without secrets.

Every part is in docs/reference/images.md#manifest. A reader ignores members that it does not know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from flotta.protocol.json_text import decode_json

FORMAT = 1
MAX_MANIFEST = 128 * 1024  # bytes
MAX_FILES = 1024
Text = Annotated[str, Meta(max_length=4096)]
Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class ManifestError(ValueError):
    """The manifest cannot be read; the text says why."""


class ManifestFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file that is copied over the root of the booted system.

    A secret one has no hash: what has few possible values could be guessed from it.
    """

    path: Text  # absolute, on the device
    mode: Annotated[int, Meta(ge=0, le=0o7777)]
    sha256: Hash | None = None
    secret: bool = False


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a medium says about itself; times are RFC 3339, serial numbers and hashes hex."""

    format: int
    content_id: Hash = msgspec.field(name="contentID")
    serial_number: Text = msgspec.field(name="serialNumber")
    not_before: Text = msgspec.field(name="notBefore")
    not_after: Text = msgspec.field(name="notAfter")
    server: Text  # host:port of the Edge API
    ca_fingerprint: Hash = msgspec.field(name="caFingerprint")  # SHA-256 of the first CA's DER
    namespace: Text
    release: Text  # of the flotta.edge that wrote it
    batch: Text = ""
    device_id: Text = msgspec.field(name="deviceID", default="")
    labels: Mapping[Text, Text] = {}
    state_disk: Text = msgspec.field(name="stateDisk", default="")
    files: Annotated[Sequence[ManifestFile], Meta(max_length=MAX_FILES)] = ()


def dump_manifest(manifest: Manifest) -> bytes:
    """Return the manifest as JSON, the same bytes for the same content."""
    encoded = msgspec.json.encode(manifest, order="deterministic")
    return msgspec.json.format(encoded, indent=1) + b"\n"


def parse_manifest(data: bytes) -> Manifest:
    """Read a manifest. Raises ManifestError when it is too large, no manifest or of the future."""
    if len(data) > MAX_MANIFEST:
        raise ManifestError(f"the manifest has more than {MAX_MANIFEST} bytes")
    try:
        manifest = decode_json(data, Manifest)
    except msgspec.DecodeError as error:
        raise ManifestError(f"the manifest cannot be read: {error}") from error
    if manifest.format != FORMAT:
        raise ManifestError(
            f"the manifest has format {manifest.format}, and this release reads format {FORMAT}"
        )
    return manifest

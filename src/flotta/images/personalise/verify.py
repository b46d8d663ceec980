"""Whether a medium is what it says: its files, its certificate, and its base.

The area has no signature. Whoever knows its format can write one that holds together; the content
id is then another than the one that was returned when the medium was written.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from flotta.images.errors import ImageError
from flotta.images.iso.iso9660 import Iso, open_iso
from flotta.images.personalise.medium import same_outside
from flotta.images.personalise.prepared import BaseFile
from flotta.images.personalise.reset import require_medium
from flotta.images.personalise.sources import open_source
from flotta.images.seed_volume import is_seed
from flotta.images.settings.credential import check_credential
from flotta.payload.device_files import IDENTITY
from flotta.payload.manifest import Manifest
from flotta.payload.tree import Payload
from flotta.protocol.reasons.images import VERIFICATION_FAILED

NO_TIME = timedelta()


def verify(
    path: Path, base: BaseFile | None = None, now: datetime | None = None
) -> Manifest | None:
    """Return the manifest of a medium that is right, None for one with a free area.

    With `base`, every byte outside the area is compared with it; a seed needs none. Raises
    ImageError for what is wrong first, or for a certificate that has expired.
    """
    with open_iso(path) as iso:
        medium = require_medium(iso)
        if medium.problem:
            raise _failed(path, f"what is in its area does not hold together, {medium.problem}")
        if base is not None or is_seed(iso):
            _compare(iso, base)
        if medium.payload is None:
            return None
        _check_credential(path, medium.payload, now or datetime.now(UTC))
        return medium.payload.manifest


def _failed(path: Path, problem: str) -> ImageError:
    return ImageError(
        VERIFICATION_FAILED,
        f"{path} is not what it should be: {problem}. Personalise it again from its base.",
    )


def _compare(iso: Iso, base: BaseFile | None) -> None:
    with open_source(None if is_seed(iso) else base) as source:
        if not same_outside(source.iso, iso, source.area):
            raise _failed(iso.path, f"it differs from {source.iso.path} outside its area")


def _check_credential(path: Path, payload: Payload, now: datetime) -> None:
    files = {file.path: file.content for file in payload.files}
    parts = [files.get(f"{IDENTITY}/{name}.pem") for name in ("cert", "key", "ca")]
    certificate, key, authorities = (part or b"" for part in parts)
    checked = check_credential(certificate, key, authorities, NO_TIME, now)
    if checked.peer.serial_number != payload.manifest.serial_number:
        raise _failed(path, "its certificate is not the one in the manifest")

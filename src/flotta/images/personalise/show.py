"""What an ISO is and carries, without secrets; also of ISOs that are none of ours."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from flotta.images.base_record import BaseRecord
from flotta.images.errors import ImageError
from flotta.images.iso.el_torito import read_boot_entries
from flotta.images.iso.iso9660 import Iso, open_iso
from flotta.images.personalise.medium import Medium, read_medium
from flotta.images.seed_volume import is_seed
from flotta.payload.manifest import Manifest
from flotta.rfc3339 import parse_required_time


class ShownEntry(msgspec.Struct, frozen=True):
    """A boot image: offset and size in bytes."""

    firmware: str
    offset: int
    size: int


class ShownArea(msgspec.Struct, frozen=True, omit_defaults=True):
    """The area: `absent`, `pristine`, `personalised` or `damaged`, and what is wrong."""

    state: str
    offset: int = 0
    size: int = 0
    problem: str = ""


class Shown(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything that is known of an ISO without its secrets."""

    path: str
    size: int
    volume_id: str = msgspec.field(name="volumeID")
    kind: str  # of its system, `seed`, or `foreign`
    area: ShownArea
    boot: list[ShownEntry]
    base: BaseRecord | None = None
    manifest: Manifest | None = None
    expired: bool | None = None


def show(path: Path, now: datetime | None = None) -> Shown:
    """Return what an ISO is. Raises ImageError for a file that is none."""
    with open_iso(path) as iso:
        medium, problem = _read(iso)
        kind = "seed" if is_seed(iso) else "foreign"
        manifest = medium.payload.manifest if medium and medium.payload else None
        record = medium.record if medium else None
        return Shown(
            path=str(path),
            size=iso.size,
            volume_id=iso.volume_id,
            kind=record.kind if record else kind,
            area=_area(medium, problem),
            boot=[
                ShownEntry(entry.firmware, entry.offset, entry.size)
                for entry in read_boot_entries(iso)
            ],
            base=record,
            manifest=manifest,
            expired=_expired(manifest, now or datetime.now(UTC)),
        )


def _read(iso: Iso) -> tuple[Medium | None, str]:
    """Return what an ISO carries, and why that is not known."""
    try:
        return read_medium(iso), ""
    except ImageError as error:
        return None, error.sentence


def _area(medium: Medium | None, problem: str) -> ShownArea:
    if medium is None:
        return ShownArea("absent", problem=problem)
    return ShownArea(medium.state, medium.area.offset, medium.area.size, medium.problem)


def _expired(manifest: Manifest | None, now: datetime) -> bool | None:
    if manifest is None:
        return None
    try:
        return parse_required_time(manifest.not_after) < now
    except ValueError:
        return None

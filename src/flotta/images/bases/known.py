"""The systems that are known, each with one line."""

from __future__ import annotations

from collections.abc import Sequence

from flotta.images.bases.base import Base
from flotta.images.bases.debian_installer import DebianInstaller
from flotta.images.bases.flotta_live import FlottaLive
from flotta.images.errors import ImageError
from flotta.images.iso.iso9660 import Iso
from flotta.protocol.reasons.images import BASE_UNKNOWN

BASES: Sequence[Base] = (FlottaLive(), DebianInstaller())


def extra_paths(kind: str) -> frozenset[str]:
    """Return the paths of what a system needs in the area beside the payload."""
    return next((base.extra_paths for base in BASES if base.kind == kind), frozenset())


def find_base(iso: Iso, kind: str | None) -> Base:
    """Return the system of an ISO: that of its record, else the one that recognises it.

    Raises ImageError when there is none.
    """
    for base in BASES:
        if base.kind == kind or (kind is None and base.recognises(iso)):
            return base
    raise ImageError(
        BASE_UNKNOWN,
        f"It is not known how settings are put into {iso.path} (volume {iso.volume_id!r}). Use a "
        "base image of flotta.edge or an installer of Debian, or give the settings on a second "
        "medium: flotta image seed.",
    )

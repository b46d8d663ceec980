"""Our own live system: it has a record and an area, and finds its settings itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flotta.images.bases.base import Preparation
from flotta.images.iso.iso9660 import Iso
from flotta.images.settings.fields import invalid
from flotta.images.settings.medium import Settings
from flotta.payload.tree import PayloadFile


class FlottaLive:
    """What `flotta image build` makes."""

    kind = "flotta-live"
    extra_paths: frozenset[str] = frozenset()

    def recognises(self, _iso: Iso) -> bool:
        """Return False: every ISO of this system has a record."""
        return False

    def architecture(self, _iso: Iso) -> str | None:
        """Return None: the record has it."""
        return None

    def prepare(self, _iso: Iso, _wheelhouse: Path | None) -> Preparation:
        """Return nothing: every ISO of this system is prepared."""
        return Preparation({})

    def additions(self, settings: Settings) -> Sequence[PayloadFile]:
        """Return no files."""
        if settings.installer is not None:
            raise invalid("installer", "is for Debian's installer, and the base is a live system")
        return ()

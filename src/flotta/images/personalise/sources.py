"""What media are copied from: a base or a pristine seed, with the place of its area."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from flotta.images.bases.base import Base
from flotta.images.iso.el_torito import bootable_by
from flotta.images.iso.iso9660 import Extent, Iso
from flotta.images.personalise.content import Content, make_content, too_small
from flotta.images.personalise.medium import find_medium_area
from flotta.images.personalise.opened_base import OpenedBase
from flotta.images.personalise.prepared import BaseFile, open_any_base
from flotta.images.seed_volume import pristine_seed
from flotta.images.settings.fields import invalid
from flotta.images.settings.medium import Settings


@dataclass(frozen=True)
class Source:
    """An open ISO with an area; `opened` is None for a seed."""

    iso: Iso
    area: Extent
    opened: OpenedBase | None
    state: os.stat_result  # of the file when it was opened

    @property
    def base_id(self) -> str:
        """What stands for the base in content ids."""
        return self.opened.record.content_id if self.opened else ""

    @property
    def system(self) -> Base | None:
        """The system of the base."""
        return self.opened.base if self.opened else None

    def content_for(self, settings: Settings) -> Content:
        """Return what the area is to hold.

        Raises ImageError when it does not fit, or the system cannot carry a setting out.
        """
        if self.system is None and settings.installer is not None:
            raise invalid("installer", "is for a base with Debian's installer, not for a seed")
        additions = self.system.additions(settings) if self.system else ()
        content = make_content(settings, self.base_id, additions)
        if len(content.payload) > self.area.size:
            raise too_small(len(content.payload), self.area.size)
        return content

    def is_unchanged(self) -> bool:
        """Tell whether nobody wrote to the file since it was opened."""
        now = os.fstat(self.iso.handle)
        return (now.st_size, now.st_mtime_ns) == (self.state.st_size, self.state.st_mtime_ns)

    @property
    def firmware(self) -> frozenset[str]:
        """What starts it."""
        return bootable_by(self.iso)


@contextlib.contextmanager
def open_source(base: BaseFile | None) -> Iterator[Source]:
    """Open a base, or make a pristine seed for None. Raises ImageError."""
    if base is None:
        with pristine_seed() as iso:
            area = find_medium_area(iso)
            if area is None:
                raise AssertionError("a seed has an area")
            yield Source(iso, area, None, os.fstat(iso.handle))
        return
    with open_any_base(base) as opened:
        yield Source(opened.iso, opened.area, opened, os.fstat(opened.iso.handle))

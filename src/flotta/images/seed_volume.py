"""A seed: a small ISO beside an unmodified base, with nothing in it but an area.

The live system finds it by its volume label, on a second stick or as a second image of a machine.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from flotta.images.base_record import AREA_SIZE
from flotta.images.iso.iso9660 import Iso
from flotta.images.iso.xorriso import make_iso
from flotta.images.working_directory import open_working_directory

SEED_LABEL = "FLOTTA_SEED"
SEED_AREA = "/payload.img"


def is_seed(iso: Iso) -> bool:
    """Tell whether an ISO is a seed."""
    return iso.volume_id == SEED_LABEL and iso.find(SEED_AREA) is not None


@contextlib.contextmanager
def pristine_seed() -> Iterator[Iso]:
    """Make a seed with a free area, always the same bytes; xorriso sees no secret.

    Raises ImageError where xorriso is missing or fails.
    """
    with open_working_directory(Path(tempfile.gettempdir())) as work:
        area, seed = work / "area", work / "seed"
        area.write_bytes(bytes(AREA_SIZE))
        os.utime(area, (0, 0))
        with seed.open("w+b") as file:
            make_iso(file.fileno(), SEED_LABEL, {SEED_AREA: area}, 0)
            yield Iso(Path("seed"), file.fileno())

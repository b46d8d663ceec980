"""What became of a medium."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flotta.images.iso.iso9660 import Extent
from flotta.images.personalise.content import Content
from flotta.payload.manifest import Manifest


@dataclass(frozen=True)
class Result:
    """What was done, or would be; `before` is the manifest of the medium that was there."""

    path: Path
    content: Content
    size: int  # bytes
    area: Extent
    rewritten: bool
    reowned: bool
    before: Manifest | None = None
    warnings: Sequence[str] = field(default=())

    @property
    def changed(self) -> bool:
        """Whether anything was or would be changed."""
        return self.rewritten or self.reowned

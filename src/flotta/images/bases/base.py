"""What the systems of ISOs differ in.

A new system is a module beside this one with a class that has these members, and a line in
`known.py`. Everything else (area, publication, verification) is the same for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from flotta.images.iso.iso9660 import Iso
from flotta.images.settings.medium import Settings
from flotta.payload.tree import PayloadFile


@dataclass(frozen=True)
class Preparation:
    """What is to be put into an ISO of this system: files to add or to replace, by path in the ISO.

    The area and the record are added to them by whoever carries it out.
    """

    files: Mapping[str, bytes]
    release: str = ""
    suite: str = ""


class Base(Protocol):
    """A system whose ISO takes settings."""

    kind: str  # in the record, and in content ids
    extra_paths: frozenset[str]  # of `additions`

    def recognises(self, iso: Iso) -> bool:
        """Tell whether an ISO without a record is of this system."""

    def architecture(self, iso: Iso) -> str | None:
        """Return the architecture of an ISO without a record, as Debian names it."""

    def prepare(self, iso: Iso, wheelhouse: Path | None) -> Preparation:
        """Return what has to be put into an ISO of this system once.

        `wheelhouse` is an archive with the programs of a device. Raises ImageError when it is
        needed and missing, or the ISO is not as expected.
        """

    def additions(self, settings: Settings) -> Sequence[PayloadFile]:
        """Return the files that this system needs beside the payload, such as a preseed.

        Raises ImageError for a setting that this system cannot carry out.
        """

"""`flotta image verify`: whether an ISO is what its manifest and its base say."""

from __future__ import annotations

import argparse

from flotta.images.personalise.opened_base import Demands
from flotta.images.personalise.prepared import BaseFile
from flotta.images.personalise.verify import verify
from flotta.images.termination import end_orderly

ANY_FIRMWARE = Demands(firmware=())


def run(options: argparse.Namespace) -> str:
    """Return what was found right. Raises ValueError with a sentence for what is wrong."""
    base = options.base and BaseFile(options.base, ANY_FIRMWARE, options.wheelhouse, options.cache)
    with end_orderly():
        manifest = verify(options.iso, base)
    compared = "the same as its base outside the area" if base else "not compared with a base"
    if manifest is None:
        return f"{options.iso} has no settings; it is {compared}."
    return (
        f"{options.iso} is right: {len(manifest.files)} files, certificate "
        f"{manifest.serial_number} until {manifest.not_after}; it is {compared}."
    )

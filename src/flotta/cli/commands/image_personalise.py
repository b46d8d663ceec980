"""`flotta image personalise`: settings and a registration certificate in copies of a base."""

from __future__ import annotations

import argparse

from flotta.cli.image_media import write_media
from flotta.cli.image_settings import read_wanted
from flotta.images.personalise.opened_base import Demands
from flotta.images.personalise.prepared import BaseFile


def run(options: argparse.Namespace) -> str:
    """Return a line for each medium. Raises ValueError with a sentence."""
    demands = Demands(options.checksum, options.architecture or "", options.firmware)
    base = BaseFile(options.base, demands, options.wheelhouse, options.cache)
    return write_media(base, read_wanted(options), options)

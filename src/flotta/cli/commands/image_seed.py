"""`flotta image seed`: settings and a registration certificate in an image beside a base."""

from __future__ import annotations

import argparse

from flotta.cli.image_media import write_media
from flotta.cli.image_settings import read_wanted


def run(options: argparse.Namespace) -> str:
    """Return a line for each seed. Raises ValueError with a sentence."""
    return write_media(None, read_wanted(options), options)

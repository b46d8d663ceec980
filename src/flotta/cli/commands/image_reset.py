"""`flotta image reset`: the settings in an ISO are overwritten with zeros."""

from __future__ import annotations

import argparse

from flotta.images.personalise.reset import reset


def run(options: argparse.Namespace) -> str:
    """Return what was done. Raises ValueError with a sentence."""
    if reset(options.iso).changed:
        return (
            f"{options.iso} has no settings any more. Copies and sticks that were made have them."
        )
    return f"{options.iso} has no settings."

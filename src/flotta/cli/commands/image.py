"""`flotta image`: passes on to the module of the action."""

from __future__ import annotations

import argparse

from flotta.cli.commands import run_command


def run(options: argparse.Namespace) -> str | int | None:
    """Carry the action out. Raises ValueError with a sentence."""
    return run_command(f"image_{options.action}", options)

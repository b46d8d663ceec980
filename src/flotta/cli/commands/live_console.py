"""`flotta-live console`: show the state of the device on terminals."""

from __future__ import annotations

import argparse
from pathlib import Path

from flotta.daemon import configure_logging
from flotta.live.console.service import Console, render_now
from flotta.live.places import Places


def run(options: argparse.Namespace) -> str | None:
    """Show the state until the process ends; without a terminal, return the screen once."""
    places = Places(options.root)
    configure_logging()
    if not options.output:
        return render_now(places)
    Console(places, [Path(output) for output in options.output]).run()
    return None

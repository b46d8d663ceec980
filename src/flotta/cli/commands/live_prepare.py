"""`flotta-live prepare`: prepare the root of this boot, before systemd."""

from __future__ import annotations

import argparse

from flotta.daemon import configure_logging
from flotta.live.places import Places
from flotta.live.preparation import Preparation


def run(options: argparse.Namespace) -> None:
    """Carry out every step; what fails is logged and in the report."""
    configure_logging()
    Preparation(Places(options.root), options.medium, options.medium_in_doubt).run()

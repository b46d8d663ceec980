"""`flotta-live`: a device that runs from our ISO."""

from __future__ import annotations

import argparse

from flotta.daemon import configure_logging
from flotta.live.places import Places
from flotta.live.preparation import Preparation
from flotta.settings.help import add_options
from flotta.settings.live import LIVE_PREPARE


def main(arguments: list[str] | None = None) -> None:
    """Entry point."""
    options = _parser().parse_args(arguments)
    configure_logging()
    Preparation(Places(options.root), options.medium).run()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="flotta-live", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    add_options(
        commands.add_parser("prepare", help="prepare the root of this boot, before systemd"),
        LIVE_PREPARE,
    )
    return parser


if __name__ == "__main__":
    main()

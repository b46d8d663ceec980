"""`flotta-gateway`: the device's connection to the Edge API."""

from __future__ import annotations

import argparse
import os
import pwd

from flotta.daemon import configure_logging, run, stop_event
from flotta.gateway.gateway import Gateway
from flotta.gateway.settings import Places, Settings, load_settings
from flotta.settings.device import GATEWAY
from flotta.settings.help import new_parser


def main() -> None:
    """Run the gateway until SIGTERM."""
    arguments = new_parser("flotta-gateway", __doc__, GATEWAY).parse_args()

    async def serve() -> None:
        settings = _settings(arguments)
        configure_logging(arguments.log_level or os.environ.get("LOG_LEVEL") or settings.log_level)
        await Gateway(settings).run(stop_event())

    run(serve)


def _settings(arguments: argparse.Namespace) -> Settings:
    places: Places = {
        "state_folder": arguments.state_dir,
        "socket": arguments.socket,
        "workers_folder": arguments.workers_dir,
        "group": arguments.group or None,
        "users": frozenset({0, os.getuid(), *map(_user, arguments.allow_user)}),
    }
    if arguments.device_dir:
        places["device_folder"] = arguments.device_dir
    return load_settings(arguments.config, arguments.tags, **places)


def _user(text: str) -> int:
    if text.isdigit():
        return int(text)
    try:
        return pwd.getpwnam(text).pw_uid
    except KeyError:
        raise ValueError(f"--allow-user: there is no user {text!r}") from None


if __name__ == "__main__":
    main()

"""flotta-gateway: the device's connection to the Edge API."""

from __future__ import annotations

import argparse
import os
import pwd
from pathlib import Path

from flotta.daemon import configure_logging, run, stop_event
from flotta.gateway.gateway import Gateway
from flotta.gateway.settings import Places, Settings, load_settings


def main() -> None:
    """Run the gateway until SIGTERM."""
    arguments = _parser().parse_args()

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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--config", type=Path, default=Path("/etc/yggdrasil/config.toml"))
    add("--tags", type=Path, default=Path("/etc/yggdrasil/tags.toml"))
    add("--state-dir", type=Path, default=Path("/var/lib/flotta/gateway"))
    add(
        "--device-dir",
        type=Path,
        help="generations of the device's certificate and key (default: device/ beside cert-file)",
    )
    add("--socket", type=Path, default=Path("/run/flotta/gateway.sock"))
    add("--workers-dir", type=Path, default=Path("/run/flotta/workers"))
    add("--group", default="flotta-ipc", help="group of the socket; empty for none")
    add(
        "--allow-user",
        action="append",
        default=[],
        metavar="USER",
        help="user that may connect to the socket besides root and this one",
    )
    add("--log-level", help="debug, info, warn or error (default: log-level of the configuration)")
    return parser


if __name__ == "__main__":
    main()

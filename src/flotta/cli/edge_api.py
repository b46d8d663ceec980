"""`flotta-edge-api`: the device-facing server. Settings come from the environment only."""

from __future__ import annotations

import asyncio
import os

from flotta.daemon import notify, run, stop_event
from flotta.edge_api.server import EdgeApiServer
from flotta.edge_api.settings import Settings
from flotta.settings.edge_api import EDGE_API
from flotta.settings.help import new_parser


def main() -> None:
    """Run the server until SIGTERM or SIGINT."""
    new_parser("flotta-edge-api", __doc__, EDGE_API).parse_args()
    run(_serve, uvloop=True)


async def _serve() -> None:
    settings = Settings.from_environment(os.environ)
    stop = stop_event()
    server = await EdgeApiServer.create(settings)
    starting = asyncio.create_task(server.start())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            notify("READY=1")
            failing = asyncio.create_task(server.wait_for_failure())
            await asyncio.wait([failing, stopping], return_when=asyncio.FIRST_COMPLETED)
            if failing.done():
                failing.result()
            notify("STOPPING=1")
            await server.drain()
    finally:
        notify("STOPPING=1")
        starting.cancel()
        await server.stop()


if __name__ == "__main__":
    main()

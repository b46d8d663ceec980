"""`flotta-device-worker`: runs on the device beside the gateway."""

from __future__ import annotations

import argparse
import asyncio

from flotta import daemon
from flotta.worker.agent import Agent
from flotta.worker.settings import Settings

DESCRIPTION = (
    "Run the worker; settings come from the environment (YGG_SOCKET_ADDR, YGG_CONFIG_DIR, "
    "LOG_LEVEL)."
)


async def _serve() -> None:
    stop = daemon.stop_event()
    work = asyncio.create_task(Agent(Settings.from_environment()).run())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((work, stopping), return_when=asyncio.FIRST_COMPLETED)
    daemon.notify("STOPPING=1")
    stopping.cancel()
    if not work.done():
        work.cancel()
        await asyncio.wait((work,))
    elif not work.cancelled():
        work.result()


def main() -> None:
    """Run the worker until SIGTERM."""
    argparse.ArgumentParser(prog="flotta-device-worker", description=DESCRIPTION).parse_args()
    daemon.run(_serve)


if __name__ == "__main__":
    main()

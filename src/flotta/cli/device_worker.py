"""`flotta-device-worker`: runs on the device beside the gateway."""

from __future__ import annotations

import asyncio

from flotta import daemon
from flotta.settings.device import WORKER
from flotta.settings.help import new_parser
from flotta.worker.agent import Agent
from flotta.worker.settings import Settings

STOP_SECONDS = 10


async def _serve() -> None:
    stop = daemon.stop_event()
    work = asyncio.create_task(Agent(Settings.from_environment()).run())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((work, stopping), return_when=asyncio.FIRST_COMPLETED)
    daemon.notify("STOPPING=1")
    stopping.cancel()
    if not work.done():
        work.cancel()
        # A call over gRPC that fails at this moment swallows the cancellation. The end of the event
        # loop cancels once more what is left then.
        await asyncio.wait((work,), timeout=STOP_SECONDS)
    elif not work.cancelled():
        work.result()


def main() -> None:
    """Run the worker until SIGTERM."""
    new_parser("flotta-device-worker", __doc__, WORKER).parse_args()
    daemon.run(_serve)


if __name__ == "__main__":
    main()

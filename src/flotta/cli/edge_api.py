"""`flotta-edge-api`: the device-facing server. Settings come from the environment only."""

from __future__ import annotations

import argparse
import asyncio
import os

from flotta.daemon import notify, run, stop_event
from flotta.edge_api.backends import BACKENDS
from flotta.edge_api.server import EdgeApiServer
from flotta.edge_api.settings import Settings

KNOWN = ", ".join(BACKENDS)
EPILOG = f"""environment:
  KUBECONFIG                   resource API and identity (default: the pod's service account)
  BIND_ADDRESS, HTTPS_PORT     where devices connect (0.0.0.0, 8043)
  SERVER_NAMES, DOMAIN         names and addresses in the server certificate, comma separated
  TLS_LOCALHOST_ENABLED        add localhost, 127.0.0.1 and ::1 (true)
  METRICS_ADDR                 /metrics, /healthz, /readyz (127.0.0.1:8080; off)
  CLIENT_CERT_EXPIRATION_DAYS  life of device certificates (30)
  REGISTRATION_NAMESPACES      namespaces new devices may join (default)
  FLOTTA_NAMESPACE             where the CA and the certificates are kept (flotta)
  S3_DEVICE_ENDPOINT           https://HOST:PORT by which devices reach the buckets of claims, if
                               not the address in the claims' ConfigMaps
  ENROLMENTS_PER_SECOND        how many devices may ask to join in a second (50)
  PRESENCE_WRITE_SECONDS       least time between two writes of a device's lastSeenTime (30)
  BACKEND                      where devices are kept, one of: {KNOWN} ({Settings.backend})
  EDGE_API_DRAIN_SECONDS       how long a server that was told to stop serves on while it says at
                               /readyz that it is not ready (0)
  LOG_LEVEL                    debug, info, warn, error (info)
"""


def main() -> None:
    """Run the server until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(
        prog="flotta-edge-api",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args()
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

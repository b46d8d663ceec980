"""`flotta decline`: decline a device that requests to join."""

from __future__ import annotations

import argparse

from flotta.cli.approval import decline_patch, patch_request
from flotta.cli.authors import name_author
from flotta.cli.connection import run_connected
from flotta.printable_text import printable
from flotta.resources.client import Client
from flotta.resources.kinds import EDGE_DEVICE


def run(options: argparse.Namespace) -> str:
    """Return the sentence to print. Raises ValueError with a sentence."""
    return run_connected(options, lambda client: _decline(client, options.name))


async def _decline(client: Client, name: str) -> str:
    request = await patch_request(client, name, decline_patch(name_author("flotta decline")))
    namespace = printable(request["spec"]["targetNamespace"])
    if await client.get_or_none(EDGE_DEVICE, name, namespace):
        remedy = f"flotta decommission {name} -n {namespace}"
        return f"{name} is declined, but still part of the fleet; remove it with: {remedy}"
    return f"{name} is declined."

"""`flotta approve`: approve a device that requests to join."""

from __future__ import annotations

import argparse

from flotta.cli.approval import (
    Target,
    approve_patch,
    get_request,
    patch_request,
    require_code,
)
from flotta.cli.authors import name_author
from flotta.cli.connection import run_connected
from flotta.fleet.joining import code_of
from flotta.printable_text import printable
from flotta.resources.changes import as_read
from flotta.resources.client import Client, retry_on_conflict
from flotta.resources.objects.devices import SignedRequest


def run(options: argparse.Namespace) -> str:
    """Return the sentence to print. Raises ValueError with a sentence."""
    return run_connected(options, lambda client: _approve(client, options))


async def _approve(client: Client, options: argparse.Namespace) -> str:
    target = Target(options.namespace, options.set)
    patch = approve_patch(target, name_author("flotta approve"))

    async def attempt() -> SignedRequest:
        if options.code is None:
            return await patch_request(client, options.name, patch)
        request = await get_request(client, options.name)
        require_code(request, options.code)
        return await patch_request(client, options.name, as_read(patch, request))

    request = await retry_on_conflict(attempt)
    namespace = printable(request["spec"]["targetNamespace"])
    code = code_of(request)
    shown = f" The code on its console is {code}." if code else ""
    return f"{options.name} is approved for namespace {namespace}.{shown}"

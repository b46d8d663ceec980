"""`flotta approve`: approve a device that requests to join."""

from __future__ import annotations

import argparse

from flotta.cli.approval import get_request, patch_request
from flotta.cli.authors import name_author
from flotta.cli.connection import run_connected
from flotta.fleet.joining import DECLINED_ANNOTATION, code_of
from flotta.fleet.registration_batches import DECIDED_BY_ANNOTATION
from flotta.printable_text import printable
from flotta.protocol.console_code import is_same_code
from flotta.resources.changes import as_read
from flotta.resources.client import Client, retry_on_conflict
from flotta.resources.objects.devices import SignedRequest
from flotta.resources.objects.meta import MergePatch

MAX_CODE = 32  # characters of a code that somebody gave


def run(options: argparse.Namespace) -> str:
    """Return the sentence to print. Raises ValueError with a sentence."""
    return run_connected(options, lambda client: _approve(client, options))


async def _approve(client: Client, options: argparse.Namespace) -> str:
    target = {"targetNamespace": options.namespace, "targetSet": options.set}
    given = {field: value for field, value in target.items() if value}
    patch: MergePatch = {
        "spec": {"approved": True, **given},
        "metadata": {
            "annotations": {
                DECLINED_ANNOTATION: None,
                DECIDED_BY_ANNOTATION: name_author("flotta approve"),
            }
        },
    }

    async def attempt() -> SignedRequest:
        if options.code is None:
            return await patch_request(client, options.name, patch)
        request = await get_request(client, options.name)
        _require_code(request, options.name, options.code)
        return await patch_request(client, options.name, as_read(patch, request))

    request = await retry_on_conflict(attempt)
    namespace = printable(request["spec"]["targetNamespace"])
    code = code_of(request)
    shown = f" The code on its console is {code}." if code else ""
    return f"{options.name} is approved for namespace {namespace}.{shown}"


def _require_code(request: SignedRequest, name: str, given: str) -> None:
    """Raise ValueError with a sentence unless the device's key has this code."""
    code = code_of(request)
    if not code:
        raise ValueError(
            f"the request of {name} names no key, so it has no code; to approve it all the same, "
            "leave out --code"
        )
    if not is_same_code(code, given):
        raise ValueError(
            f"the request of {name} has the code {code}, not {printable(given, MAX_CODE)}; it is "
            "not approved. Look at the console again: another device may use this id, or this one "
            "was switched on again with another key"
        )

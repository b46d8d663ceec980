"""`flotta approve`: approve a device that requests to join."""

from __future__ import annotations

import argparse

from flotta.cli.approval import patch_request
from flotta.cli.authors import name_author
from flotta.cli.connection import run_connected
from flotta.fleet.joining import DECLINED_ANNOTATION
from flotta.fleet.registration_batches import DECIDED_BY_ANNOTATION
from flotta.printable_text import printable
from flotta.resources.client import Client


def run(options: argparse.Namespace) -> str:
    """Return the sentence to print. Raises ValueError with a sentence."""
    return run_connected(options, lambda client: _approve(client, options))


async def _approve(client: Client, options: argparse.Namespace) -> str:
    target = {"targetNamespace": options.namespace, "targetSet": options.set}
    given = {field: value for field, value in target.items() if value}
    patch = {
        "spec": {"approved": True, **given},
        "metadata": {
            "annotations": {
                DECLINED_ANNOTATION: None,
                DECIDED_BY_ANNOTATION: name_author("flotta approve"),
            }
        },
    }
    request = await patch_request(client, options.name, patch)
    namespace = printable(request["spec"]["targetNamespace"])
    return f"{options.name} is approved for namespace {namespace}."

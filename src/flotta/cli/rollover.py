"""Asks the Edge API to roll the CA of the fleet over, and waits for its answer."""

from __future__ import annotations

import asyncio
import time
import uuid

from flotta.backoff import Backoff
from flotta.cli.authors import name_author
from flotta.fleet.rollover import make_request, read_answer, read_request
from flotta.identity.rollover import Phase, RolloverAnswer, RolloverRequest
from flotta.own_names import ROLLOVER_CONFIG_MAP
from flotta.resources.changes import as_read
from flotta.resources.client import Client
from flotta.resources.kinds import CONFIG_MAP
from flotta.resources.objects.core import ConfigMap

PATIENCE = 60.0  # seconds for an Edge API to answer
POLL = 0.1, 2.0  # first and longest seconds between two looks


async def ask_rollover(
    client: Client, namespace: str, phase: Phase, *, forced: bool, program: str
) -> RolloverAnswer:
    """Write the request into the control plane's namespace and return the answer.

    A request that waits is taken up: two administrators ask for one rollover. Raises ApiError, and
    ValueError when no Edge API answers in time; the request then stays, and is carried out later.
    """
    request = RolloverRequest(uuid.uuid4().hex, phase, forced, name_author(program))
    found = await client.get_or_none(CONFIG_MAP, ROLLOVER_CONFIG_MAP, namespace)
    waiting = read_request(found)
    if waiting is not None and (waiting.phase, waiting.forced) == (phase, forced):
        request = waiting
    else:
        await _write(client, make_request(request, namespace), found)
    return await _wait_for_answer(client, namespace, request)


async def _write(client: Client, wanted: ConfigMap, found: ConfigMap | None) -> None:
    if found is None:
        await client.create(CONFIG_MAP, wanted)
        return
    namespace = wanted["metadata"]["namespace"]
    former = dict.fromkeys(found.get("data") or {})
    patch = as_read({"data": {**former, **wanted["data"]}}, found)
    await client.merge_patch(CONFIG_MAP, ROLLOVER_CONFIG_MAP, namespace, patch)


async def _wait_for_answer(
    client: Client, namespace: str, request: RolloverRequest
) -> RolloverAnswer:
    end, backoff = time.monotonic() + PATIENCE, Backoff(*POLL)
    while time.monotonic() < end:
        found = await client.get_or_none(CONFIG_MAP, ROLLOVER_CONFIG_MAP, namespace)
        answer = read_answer(found, request)
        if answer is not None:
            return answer
        await asyncio.sleep(backoff.next())
    raise ValueError(
        f"no Edge API answered within {PATIENCE:.0f} s. The request stays in ConfigMap "
        f"{namespace}/{ROLLOVER_CONFIG_MAP} and is carried out when one runs; ask again to see "
        "the answer"
    )

"""Storage of devices from end to end: operator, Edge API, S3 and IAM as processes.

The test is the device, the administrator, and the provisioner of a foreign storage class.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from edge_site import Device, edge_api
from edge_site import Fleet as Devices
from edge_site import Site as EdgeSite
from operator_site import Fleet, Object, Site, resource_api, running_operator
from s3_server import S3Server, running_s3
from storage_site import delivered, iam_settings

from flotta.fleet.claim_ownership import DEVICE_ANNOTATION
from flotta.resources.kinds import BUCKET_CLAIM, EDGE_DEVICE, EVENT
from flotta.storage.access_keys import AccessKey
from waiting import eventually

SETTINGS = {"OBC_AUTO_CREATE": "false", "DECOMMISSION_TIMEOUT": "2", "LOG_LEVEL": "debug"}
ASKED = {"storage": {"s3": {"createOBC": True}}}


@dataclass
class Place:
    """Everything that runs, and where."""

    operator: Site
    edge: EdgeSite
    s3: S3Server


@contextmanager
def storage_place(directory: Path, engine: str) -> Iterator[Place]:
    """Start everything on one engine."""
    (directory / "s3").mkdir()
    with ExitStack() as stack:
        s3 = stack.enter_context(running_s3(directory / "s3", iam=True))
        access = stack.enter_context(resource_api(directory, engine))
        operator = Site(directory, directory / "operator.log", s3, access)
        stack.enter_context(running_operator(operator, **SETTINGS, **iam_settings(directory, s3)))
        edge = stack.enter_context(edge_api(directory, access, LOG_LEVEL="debug"))
        yield Place(operator, edge, s3)


async def joined(devices: Devices, fleet: Fleet, name: str, spec: Object | None = None) -> Device:
    """Have a device enrol and register, and then want this storage."""
    device = devices.device(name)
    assert (await device.enrol()).status == 200
    await fleet.seen(EDGE_DEVICE, name, lambda _: True)
    assert (await device.register(hostname=name)).status == 200
    if spec:
        await fleet.client.merge_patch(EDGE_DEVICE, name, "default", {"spec": spec})
    return device


async def storage_of(device: Device, holds: Callable[[Object], object] = bool) -> Object:
    async def look() -> Object | None:
        _, section = await delivered(device)
        return section if section and holds(section) else None

    found: Object = await eventually(look)
    return found


def key_of(section: Object) -> AccessKey:
    values = [
        b64decode(section[f"aws_{part}"]).decode()
        for part in ("access_key_id", "secret_access_key")
    ]
    return AccessKey(values[0], values[1], section["bucket_name"])


async def refused(call: Callable[..., Any], **arguments: Any) -> str:
    """Return why the server refuses; a restart of the server after a dropped key is waited for."""

    async def answer() -> tuple[str]:
        try:
            await asyncio.to_thread(call, **arguments)
        except ClientError as error:
            return (str(error.response["Error"]["Code"]),)
        return ("",)

    return (await eventually(answer, tolerate=BotoCoreError, pause=0.2))[0]


def condition(device: Object) -> Object:
    conditions = device.get("status", {}).get("conditions") or []
    return next((item for item in conditions if item["type"] == "Configured"), {})


async def reasons(fleet: Fleet, name: str) -> dict[str, str]:
    """Return the Events about an object: message by reason."""
    events = await fleet.client.list(EVENT, "default")
    return {e["reason"]: e["message"] for e in events if e["involvedObject"].get("name") == name}


def named(name: str) -> Object:
    return {"name": name, "namespace": "default"}


async def complained(devices: Devices, device: Device, text: str) -> Object:
    """Wait until the EdgeDevice shows that something about its configuration is wrong."""

    async def look() -> Object | None:
        await delivered(device)
        found = await devices.get(device)
        shown = condition(found)
        return found if shown.get("status") == "False" and text in shown["message"] else None

    found: Object = await eventually(look)
    return found


async def decommissioned(fleet: Fleet, name: str) -> None:
    await fleet.client.delete(EDGE_DEVICE, name, "default")
    await fleet.gone(EDGE_DEVICE, name)


async def allotted(fleet: Fleet, name: str) -> None:
    """Annotate the claim of a name for the device of this name."""
    device = await fleet.client.get(EDGE_DEVICE, name, "default")
    mark = {"metadata": {"annotations": {DEVICE_ANNOTATION: device["metadata"]["uid"]}}}
    await fleet.client.merge_patch(BUCKET_CLAIM, name, "default", mark)

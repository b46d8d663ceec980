"""`flotta explain`: the state of a device or a workload, or a reason, in sentences."""

from __future__ import annotations

import argparse

from flotta.cli.adoption import find_newest, list_visible_unknown
from flotta.cli.connection import run_connected
from flotta.fleet.explanation import (
    explain_device,
    explain_unknown,
    explain_workload,
)
from flotta.fleet.joining import REQUEST_NAMESPACE
from flotta.fleet.remedies import explain_reason
from flotta.fleet.request_explanation import explain_request
from flotta.resources.client import Client
from flotta.resources.kinds import EDGE_DEVICE, EDGE_WORKLOAD, EVENT, SIGNED_REQUEST, Kind
from flotta.resources.objects.core import Event
from flotta.resources.objects.meta import Resource
from flotta.resources.views import spec_of


def run(options: argparse.Namespace) -> str:
    """Return the sentences to print, one per line. Raises ValueError with a sentence."""
    if options.kind == "reason":
        return "\n".join(explain_reason(options.name))
    explain = _explain_device if options.kind == "device" else _explain_workload
    lines = run_connected(options, lambda client: explain(client, options.name, options.namespace))
    return "\n".join(lines)


async def _explain_device(client: Client, name: str, namespace: str) -> list[str]:
    # The list comes first: it fails where our kinds are not served, which for a single object
    # looks as if there were none of this name.
    workloads = await client.list(EDGE_WORKLOAD, namespace)
    device = await client.get_or_none(EDGE_DEVICE, name, namespace)
    request = await client.get_or_none(SIGNED_REQUEST, name, REQUEST_NAMESPACE)
    if device is not None:
        events = await _list_events(client, EDGE_DEVICE, name, namespace)
        own = request is not None and spec_of(request).get("targetNamespace") == namespace
        return explain_device(device, workloads, events, request if own else None)
    unknown = find_newest(await list_visible_unknown(client, namespace), name)
    if unknown is not None:
        return explain_unknown(unknown)
    if request is None:
        raise ValueError(
            f"there is no device {name} in namespace {namespace}, and no request to join under "
            "that name; list both with: flotta status"
        )
    return explain_request(request)


async def _explain_workload(client: Client, name: str, namespace: str) -> list[str]:
    devices = await client.list(EDGE_DEVICE, namespace)
    workload = await client.get_or_none(EDGE_WORKLOAD, name, namespace)
    if workload is None:
        raise ValueError(
            f"there is no workload {name} in namespace {namespace}; name another namespace with -n"
        )
    events = await _list_events(client, EDGE_WORKLOAD, name, namespace)
    return explain_workload(workload, devices, events)


async def _list_events(
    client: Client, kind: Kind[Resource], name: str, namespace: str
) -> list[Event]:
    selector = f"involvedObject.kind={kind.kind},involvedObject.name={name}"
    return await client.list(EVENT, namespace, field_selector=selector)

"""`flotta device quarantine` and `release`: keep lost devices out, and let them in again."""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import time
from collections.abc import Awaitable, Callable

from flotta.cli.connection import describe_error, run_connected
from flotta.cli.quarantine import quarantine, release
from flotta.fleet.quarantine import is_quarantined
from flotta.fleet.quarantined_keys import find_keys
from flotta.protocol.reasons.conditions import REVOKING_KEYS
from flotta.resources.client import ApiError, Client
from flotta.resources.conditions import QUARANTINED, find_condition
from flotta.resources.kinds import (
    BUCKET_CLAIM,
    EDGE_DEVICE,
    EDGE_DEVICE_SET,
    MEMBER_LABEL,
    SECRET,
)
from flotta.resources.objects.device_settings import DeviceSettings
from flotta.resources.objects.devices import EdgeDevice
from flotta.resources.objects.meta import Condition
from flotta.resources.views import (
    conditions_of,
    generation_of,
    labels_of,
    name_of,
    namespace_of,
    spec_of,
    status_of,
)

PROGRAM = "flotta device"
REPORT_TIMEOUT = 5.0  # seconds in which the operator says what it revoked, for all devices
REPORT_CHECK = 0.1  # seconds between two looks
ACCESS_KEY = "AWS_ACCESS_KEY_ID"


def run(options: argparse.Namespace) -> str:
    """Return the sentences to print. Raises ValueError with a sentence."""
    work = _quarantine_all if options.action == "quarantine" else _release_all
    return run_connected(options, lambda client: work(client, options))


async def _quarantine_all(client: Client, options: argparse.Namespace) -> str:
    async def work(device: EdgeDevice) -> EdgeDevice:
        return await quarantine(client, device, options.pods, options.reason, PROGRAM)

    changed, failures = await _change_all(client, options, work)
    end = time.monotonic() + REPORT_TIMEOUT
    lines = []
    for device in changed:
        try:
            lines += await _report(client, device, end)
        except ApiError as error:
            lines.append(f"{_full_name(device)} is quarantined.")
            failures.append(f"{name_of(device)} is quarantined, but {describe_error(error)}")
    return _conclude(lines, failures)


async def _release_all(client: Client, options: argparse.Namespace) -> str:
    lines = []

    async def work(device: EdgeDevice) -> EdgeDevice:
        released = await release(client, device)
        if is_quarantined(device):
            lines.append(f"{_full_name(device)} is released; it goes on within about a minute.")
        else:
            lines.append(f"{_full_name(device)} is not quarantined; nothing changed.")
        return released

    _changed, failures = await _change_all(client, options, work)
    return _conclude(lines, failures)


def _conclude(lines: list[str], failures: list[str]) -> str:
    """Return the lines; if something failed, raise ValueError with the lines and then that."""
    if not failures:
        return "\n".join(lines)
    failed = f"not everything was done: {'; '.join(failures)}. Mend this, then run it again."
    # What was done is said first: it may name keys that only the reader can revoke.
    raise ValueError("\n".join([*(["done so far:"] if lines else []), *lines, failed]))


async def _change_all(
    client: Client,
    options: argparse.Namespace,
    work: Callable[[EdgeDevice], Awaitable[EdgeDevice]],
) -> tuple[list[EdgeDevice], list[str]]:
    """Change every device, whatever fails for others; return those, and what failed for others."""
    changed, failures = [], []
    for device in await _find(client, options):
        try:
            changed.append(await work(device))
        except ApiError as error:
            failures.append(f"{name_of(device)}: {describe_error(error)}")
    return changed, failures


def _full_name(device: EdgeDevice) -> str:
    return f"{namespace_of(device)}/{name_of(device)}"


async def _find(client: Client, options: argparse.Namespace) -> list[EdgeDevice]:
    """Return all devices that are named; none is changed when one does not exist."""
    found, missing = [], []
    for name in options.name:
        device = await client.get_or_none(EDGE_DEVICE, name, options.namespace)
        if device is None:
            missing.append(name)
        else:
            found.append(device)
    if missing:
        raise ValueError(
            f"there is no device {', '.join(missing)} in namespace {options.namespace}; nothing "
            "was changed; list the devices with: flotta status"
        )
    return found


async def _report(client: Client, device: EdgeDevice, end: float) -> list[str]:
    """Return what the operator says about the quarantine, and the keys that it cannot revoke.

    `end` is the monotonic time until which it is waited for.
    """
    name = _full_name(device)
    condition = await _wait_for_report(client, device, end)
    if condition is None:
        said = (
            "The operator has not reported yet which keys are revoked; see: flotta explain "
            f"device {name_of(device)} -n {namespace_of(device)}"
        )
        return [f"{name} is quarantined.", f"  {said}"]
    return [
        f"{name} is quarantined.",
        f"  {condition['message']}",
        *await _name_keys(client, device),
    ]


async def _wait_for_report(client: Client, device: EdgeDevice, end: float) -> Condition | None:
    while True:
        newest = await client.get(EDGE_DEVICE, name_of(device), namespace_of(device))
        condition = find_condition(conditions_of(newest), QUARANTINED)
        if (
            condition is not None
            and condition.get("observedGeneration", 0) >= generation_of(device)
            and condition["reason"] != REVOKING_KEYS
        ):
            return condition
        if time.monotonic() >= end:
            return None
        await asyncio.sleep(REPORT_CHECK)


async def _name_keys(client: Client, device: EdgeDevice) -> list[str]:
    """Return a line for each access key that somebody else has to revoke."""
    namespace = namespace_of(device)
    claim_name = status_of(device).get("dataObc") or name_of(device)
    claim = await client.get_or_none(BUCKET_CLAIM, claim_name, namespace)
    settings: list[DeviceSettings] = [spec_of(device)]
    if member := labels_of(device).get(MEMBER_LABEL):
        device_set = await client.get_or_none(EDGE_DEVICE_SET, member, namespace)
        settings += [spec_of(device_set)] if device_set else []
    names = find_keys(device, settings, claim).elsewhere
    return [await _describe_key(client, namespace, name) for name in names]


async def _describe_key(client: Client, namespace: str, name: str) -> str:
    """Return which access key a Secret contains, as far as the user may read it."""
    access_key = "not readable here"
    with contextlib.suppress(ApiError, KeyError, ValueError):
        secret = await client.get(SECRET, name, namespace)
        access_key = base64.b64decode((secret.get("data") or {})[ACCESS_KEY]).decode().strip()
    return f"  To revoke at its S3 server: access key {access_key}, in Secret {namespace}/{name}"

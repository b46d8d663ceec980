"""`flotta decommission`: wipe and remove devices for good, or confirm wipes that are held."""

from __future__ import annotations

import argparse

from flotta.cli.connection import run_connected
from flotta.cli.decommissioning import confirm_and_delete, grant, list_held
from flotta.fleet.tombstones import Tombstone
from flotta.resources.client import Client
from flotta.resources.kinds import EDGE_DEVICE
from flotta.resources.objects.devices import EdgeDevice
from flotta.resources.views import name_of, namespace_of

PROGRAM = "flotta decommission"
SHOWN = 5  # names in a question


def run(options: argparse.Namespace) -> str:
    """Return the sentence to print. Raises ValueError with a sentence."""
    given = [bool(options.name), bool(options.selector), options.held]
    if sum(given) != 1:
        raise ValueError("name devices, or give --selector or --held")
    work = _confirm_held if options.held else _decommission
    return run_connected(options, lambda client: work(client, options))


async def _decommission(client: Client, options: argparse.Namespace) -> str:
    devices, held = await _find(client, options)
    names = [f"{namespace_of(device)}/{name_of(device)}" for device in devices]
    names += [f"{tombstone.namespace}/{tombstone.name}" for tombstone in held]
    if options.selector:
        _require_yes(options, names)
    for device in devices:
        await confirm_and_delete(client, device, PROGRAM)
    for tombstone in held:
        await grant(client, tombstone, PROGRAM)
    return f"{_describe(names)} wiped and removed; see: flotta status"


async def _confirm_held(client: Client, options: argparse.Namespace) -> str:
    held = await list_held(client, options.namespace)
    if not held:
        return "No wipe is held."
    names = [f"{tombstone.namespace}/{tombstone.name}" for tombstone in held]
    _require_yes(options, names)
    for tombstone in held:
        await grant(client, tombstone, PROGRAM)
    return f"{_describe(names)} wiped and removed; see: flotta status"


async def _find(
    client: Client, options: argparse.Namespace
) -> tuple[list[EdgeDevice], list[Tombstone]]:
    """Return the devices to remove, and the held wipes of named ones that are gone already."""
    if options.selector:
        found = await client.list(EDGE_DEVICE, options.namespace, label_selector=options.selector)
        if not found:
            raise ValueError(f"no EdgeDevice has the labels {options.selector}")
        return list(found), []
    namespace = options.namespace or "default"
    devices: list[EdgeDevice] = []
    held: list[Tombstone] = []
    for name in options.name:
        device = await client.get_or_none(EDGE_DEVICE, name, namespace)
        if device is not None:
            devices.append(device)
        else:
            held += await _find_held(client, name, namespace)
    return devices, held


async def _find_held(client: Client, name: str, namespace: str) -> list[Tombstone]:
    """Return the held wipes of a name without an EdgeDevice: its finalizer was removed by hand."""
    found = [item for item in await list_held(client, namespace) if item.name == name]
    if not found:
        raise ValueError(
            f"there is no device {name} in namespace {namespace}; nothing was removed; "
            "list the devices with: flotta status"
        )
    return found


def _require_yes(options: argparse.Namespace, names: list[str]) -> None:
    if not options.yes:
        raise ValueError(
            f"this wipes {len(names)} devices with their files ({_shown(names)}); "
            "to do it, repeat the command with --yes"
        )


def _describe(names: list[str]) -> str:
    verb = "is being" if len(names) == 1 else "are being"
    return f"{_shown(names)} {verb}"


def _shown(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")

"""`flotta adopt`: take devices back that the control plane does not know."""

from __future__ import annotations

import argparse

from flotta.cli.adoption import adopt, find_newest, is_named, list_unknown
from flotta.cli.connection import run_connected
from flotta.fleet.unknown_devices import UnknownDevice
from flotta.resources.client import Client
from flotta.resources.kinds import EDGE_DEVICE, MEMBER_LABEL


def run(options: argparse.Namespace) -> str:
    """Return the sentences to print, one for each device. Raises ValueError with a sentence."""
    _require_one_choice(options)
    labels = dict(_parse_label(text) for text in options.label)
    if options.set:
        labels[MEMBER_LABEL] = options.set
    return run_connected(options, lambda client: _adopt_all(client, options, labels))


async def _adopt_all(client: Client, options: argparse.Namespace, labels: dict[str, str]) -> str:
    chosen = await _choose(client, options)
    if not chosen:
        return "There is no such device that this control plane does not know."
    lines, failures = [], []
    for name, here in chosen:
        try:
            unknown = find_newest(here, name)
            if unknown is None:
                continue
            await adopt(client, unknown, labels)
        except ValueError as error:
            failures.append(str(error))
            continue
        lines.append(
            f"{unknown.namespace}/{unknown.name} is adopted; it gets its configuration once that "
            "keeps what the device runs."
        )
    if failures:
        raise ValueError("; ".join([f"{len(lines)} devices are adopted", *failures]))
    return "\n".join(lines)


async def _choose(
    client: Client, options: argparse.Namespace
) -> list[tuple[str, list[UnknownDevice]]]:
    """Return the names to adopt, each with what is unknown by it in one namespace."""
    found = await list_unknown(client, options.namespace)
    names = options.name or sorted({device.name for device in found})
    if options.selector:
        names = await _select(client, options)
    if options.name:
        _require_unambiguous(found, options.name)
    chosen: list[tuple[str, list[UnknownDevice]]] = []
    for namespace in sorted({device.namespace for device in found}):
        here = [device for device in found if device.namespace == namespace]
        for name in names:
            named = [device for device in here if is_named(device, name)]
            chosen += [(name, named)] if named else []
    return chosen


async def _select(client: Client, options: argparse.Namespace) -> list[str]:
    """Return the names of the EdgeDevices that a selector selects."""
    devices = await client.list(EDGE_DEVICE, options.namespace, label_selector=options.selector)
    return sorted(device["metadata"]["name"] for device in devices)


def _require_unambiguous(found: list[UnknownDevice], names: list[str]) -> None:
    for name in names:
        namespaces = sorted({device.namespace for device in found if is_named(device, name)})
        if not namespaces:
            raise ValueError(
                f"no device {name} is unknown to this control plane; list them with: flotta status"
            )
        if len(namespaces) > 1:
            raise ValueError(
                f"there are devices {name} in {', '.join(namespaces)}; name the namespace with -n"
            )


def _require_one_choice(options: argparse.Namespace) -> None:
    given = [bool(options.name), bool(options.selector), options.all_unknown]
    if sum(given) != 1:
        raise ValueError("name devices, or give --selector or --all-unknown")


def _parse_label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise ValueError(f"{text!r} is not a label; write KEY=VALUE")
    return key, value

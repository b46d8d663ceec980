# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory tells about a device or a request: plain data, which is also what its cache has.

Most of it was written by devices. Sizes have limits here as well, because whoever reads an inventory did not write the control plane.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ansible_collections.flotta.edge.plugins.plugin_utils._fleet_addresses import reported_addresses

Record = dict[str, Any]
MEMBER_LABEL = "flotta/member-of"
PART_LIMIT = 32768  # bytes of a part of the hardware as JSON; usual reports have 2 KiB in all


def device_record(device: Mapping[str, Any], state: str, hardware_parts: Collection[str]) -> Record:
    """Return what the inventory tells about an EdgeDevice.

    `state` is the word of `flotta status`; of the hardware, these parts are taken.
    """
    metadata, status = device["metadata"], device.get("status") or {}
    hardware = status.get("hardware") or {}
    labels = metadata.get("labels") or {}
    conditions = _keyed(status.get("conditions"), "type")
    return {
        "name": metadata["name"],
        "namespace": metadata.get("namespace", ""),
        "uid": metadata.get("uid", ""),
        "created": metadata.get("creationTimestamp", ""),
        "labels": labels,
        "set": labels.get(MEMBER_LABEL, ""),
        "state": state,
        "phase": status.get("phase", ""),
        "ready": (conditions.get("Ready") or {}).get("status") == "True",
        "last_seen": status.get("lastSeenTime", ""),
        "agent_version": status.get("agentVersion", ""),
        "addresses": reported_addresses(hardware.get("interfaces")),
        "conditions": conditions,
        "workloads": _keyed(status.get("workloads"), "name"),
        "hardware": _chosen(hardware, hardware_parts),
        "certificate": status.get("certificate") or {},
        "spec": device.get("spec") or {},
    }


def request_record(
    request: Mapping[str, Any], code: str, waits_because: str, hardware_parts: Collection[str]
) -> Record:
    """Return what the inventory tells about a request that waits for approval.

    `code` is what the console of its device shows, `waits_because` why no rule approved it.
    """
    metadata, spec = request["metadata"], request.get("spec") or {}
    hardware = (spec.get("features") or {}).get("hardware") or {}
    return {
        "name": metadata["name"],
        "namespace": spec.get("targetNamespace") or "default",
        "uid": metadata.get("uid", ""),
        "created": metadata.get("creationTimestamp", ""),
        "labels": spec.get("labels") or {},
        "set": spec.get("targetSet") or "",
        "code": code,
        "waits_because": waits_because,
        "hardware": _chosen(hardware, hardware_parts),
    }


def read_cached(text: Any) -> list[list[Record]] | None:
    """Return the devices and requests that the cache has, None for what this release did not write."""
    try:
        devices, requests = found = json.loads(text)
        fits = all(record.keys() == DEVICE_KEYS for record in devices) and all(
            record.keys() == REQUEST_KEYS for record in requests
        )
    except (ValueError, TypeError, AttributeError):
        return None
    return found if fits else None


def _keyed(entries: Sequence[Mapping[str, Any]] | None, key: str) -> dict[str, dict[str, Any]]:
    """Return a list of the API as a dictionary, by the field that is its key there."""
    return {
        entry[key]: {name: value for name, value in entry.items() if name != key}
        for entry in entries or ()
        if isinstance(entry.get(key), str)
    }


def _chosen(hardware: Mapping[str, Any], parts: Collection[str]) -> Record:
    chosen = {name: hardware[name] for name in parts if hardware.get(name)}
    if "cpu" in chosen:  # a hundred words that nobody groups by
        chosen["cpu"] = {key: value for key, value in chosen["cpu"].items() if key != "flags"}
    if _size(chosen) <= PART_LIMIT:  # nearly always, and that is quick to tell
        return chosen
    return {name: value for name, value in chosen.items() if _size(value) <= PART_LIMIT}


def _size(value: object) -> int:
    return len(json.dumps(value))


DEVICE_KEYS = device_record({"metadata": {"name": ""}}, "", ()).keys()
REQUEST_KEYS = request_record({"metadata": {"name": ""}}, "", "", ()).keys()

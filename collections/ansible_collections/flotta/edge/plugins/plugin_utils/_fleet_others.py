# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What other sources of the inventory have, which no device may take over."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.flotta.edge.plugins.plugin_utils._fleet_addresses import normalised


class Others:
    """Hosts and groups that were in the inventory before this source was read.

    `inventory` is an InventoryData, `devices` the name of the group of devices, `servers` are the names and addresses of API servers.
    """

    def __init__(self, inventory: Any, devices: str, servers: Iterable[str]) -> None:
        self.names = {*inventory.groups, *inventory.hosts, *servers}
        self.addresses = {text: "the resource API" for text in map(normalised, servers) if text}
        self.declared: dict[
            tuple[str, str], str
        ] = {}  # hosts by namespace and id of the device that they are
        self.uids: dict[str, str] = {}  # hosts of another source of the same fleet
        self.groups = {name for name, group in inventory.groups.items() if not _is_of_fleet(group)}
        for host in inventory.hosts.values():
            self._read(host, devices)

    def _read(self, host: Any, devices: str) -> None:
        variables = _variables_of(host)
        address = normalised(variables.get("ansible_host") or host.name)
        if address:
            self.addresses.setdefault(address, host.name)
        if _is_device(host):
            self.uids[host.vars["flotta_device"]["uid"]] = host.name
        elif devices in {group.name for group in host.get_groups()}:
            namespace = str(variables.get("device_namespace") or "default")
            device = str(variables.get("device_id") or host.name).strip().lower()
            self.declared[namespace, device] = host.name


def _variables_of(host: Any) -> dict[str, Any]:
    """Return the variables that files of hosts give a host, those of its nearest groups before others."""
    found: dict[str, Any] = {}
    for group in sorted(host.get_groups(), key=lambda group: (group.depth, group.name)):
        found |= group.vars
    return {**found, **host.vars}


def _is_of_fleet(group: Any) -> bool:
    """Tell whether a source like this one made a group: it has devices only, and no variables."""
    hosts = group.get_hosts()
    return bool(hosts) and not group.vars and all(map(_is_device, hosts))


def _is_device(host: Any) -> bool:
    """Tell whether a source like this one made a host."""
    record = host.vars.get("flotta_device")
    return isinstance(record, dict) and "uid" in record


def describe_same(pairs: list[tuple[str, str]]) -> str:
    """Return a sentence about devices, each with the host that another source of the same fleet made of it."""
    device, host = pairs[0]
    more = f", and so are {len(pairs) - 1} other devices" if len(pairs) > 1 else ""
    return (
        f"{device} is left out, because it is the host {host} of another source of the same fleet{more}. "
        "Let namespaces or selectors of the sources exclude each other."
    )


def warnings(same: list[tuple[str, str]]) -> list[str]:
    """Return a sentence about devices of two sources, if there are some."""
    return [describe_same(same)] if same else []

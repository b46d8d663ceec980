# Copyright: (c) 2026, flotta.edge contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address at which the controller reaches a device, among those that the device reported."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

# Interfaces of containers and loopback, which agents of other releases may report.
SKIPPED = ("lo", "veth", "podman", "cni-", "docker", "br-", "virbr")
MOST = 32  # addresses of one device

Record = dict[str, Any]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
FAMILIES = {"ipv4Addresses": socket.AF_INET, "ipv6Addresses": socket.AF_INET6}
# How addresses begin at which no other machine is reached: unspecified, loopback, link-local, and multicast with what is reserved. Of
# version 6, also those that stand for one of version 4: mapped, compatible and translated (all in ::/8), Teredo and 6to4.
UNREACHABLE = {
    socket.AF_INET: (b"\x00", b"\x7f", b"\xa9\xfe", *(bytes([first]) for first in range(224, 256))),
    socket.AF_INET6: (
        b"\x00",
        b"\x20\x01\x00\x00",
        b"\x20\x02",
        *(bytes([0xFE, second]) for second in range(0x80, 0xC0)),
        b"\xff",
    ),
}
NOWHERE = "no-address.invalid"  # RFC 6761, 6.4: names in .invalid never resolve


def parse_networks(texts: Sequence[str]) -> list[Network]:
    """Return the networks of these texts, such as `10.0.0.0/8`; raises ValueError with a sentence."""
    return [_parse_network(str(text)) for text in texts]


def _parse_network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(
            f"address_networks has {text}, which is not a network. Write it as 192.168.0.0/16 or fd00::/8."
        ) from None


def reported_addresses(interfaces: Sequence[object] | None) -> list[str]:
    """Return the addresses at which a device may be reached, those of interfaces with a carrier first.

    `interfaces` is `status.hardware.interfaces`. Loopback, link-local and multicast addresses are left out, and texts that are not addresses.
    """
    reported = [item for item in interfaces or () if isinstance(item, Mapping)]
    usable = [item for item in reported if not str(item.get("name") or "").startswith(SKIPPED)]
    usable.sort(key=lambda item: item.get("hasCarrier") is False)
    found = (address for item in usable for address in _addresses_of(item))
    return list(dict.fromkeys(islice(found, MOST)))


def choose_address(addresses: Sequence[str], networks: Sequence[Network]) -> str | None:
    """Return the first address in the first network that has one, None if there is none."""
    return next((text for network in networks for text in addresses if _has(network, text)), None)


def _has(network: Network, address: str) -> bool:
    if (":" in address) != (network.version == 6):
        return False
    return network.prefixlen == 0 or ipaddress.ip_address(address) in network


def _addresses_of(interface: Mapping[str, Any]) -> Iterator[str]:
    for field, family in FAMILIES.items():
        for text in interface.get(field) or ():
            address = _reachable(str(text).partition("/")[0], family)
            if address:
                yield address


def _reachable(address: str, family: socket.AddressFamily) -> str | None:
    """Return an address in its usual form, None if no other machine is reached at it."""
    try:
        packed = socket.inet_pton(family, address)  # in a tenth of the time of `ipaddress`
    except (OSError, ValueError):
        return None
    if packed.startswith(UNREACHABLE[family]):
        return None
    return address if family == socket.AF_INET else socket.inet_ntop(family, packed)


def normalised(text: object) -> str | None:
    """Return an address in its usual form, None for what is none, such as the name of a host."""
    try:
        return str(ipaddress.ip_address(str(text)))
    except ValueError:
        return None


class Addresses:
    """Chooses the address of each device, of those that only this device reports and that no other host has.

    `records` are all devices, `others` hosts by their addresses.
    """

    def __init__(
        self, records: Sequence[Record], networks: Sequence[Network], others: Mapping[str, str]
    ) -> None:
        self._networks = networks
        self._others = others
        self._first: dict[str, Record] = {}
        self._second: dict[str, Record] = {}  # devices that report the address of a first one
        for record in records:
            for address in record["addresses"]:
                if self._first.setdefault(address, record) is not record:
                    self._second.setdefault(address, record)
        self.refused: list[tuple[str, str, str]] = []  # devices, addresses and who else has them

    def of(self, record: Record, host: str) -> str | None:
        """Return the value of `ansible_host` for a device whose host has this name, None where Ansible connects to that name.

        A device without an address is nowhere: its name, which it may choose itself, must not be looked up instead.
        """
        if not self._networks:
            return None
        wanted = choose_address(record["addresses"], self._networks)
        other = wanted and self._owner(wanted, record)
        if wanted and other:
            self.refused.append((called(record), wanted, other))
            free = [text for text in record["addresses"] if not self._owner(text, record)]
            wanted = choose_address(free, self._networks)
        return wanted or f"{host}.{NOWHERE}"

    def _owner(self, address: str, record: Record) -> str | None:
        """Return who else has the address of a device, None if nobody has."""
        if address in self._others:
            return self._others[address]
        second = self._second.get(address)
        if second is None:
            return None
        return called(self._first[address] if second is record else second)


def called(record: Record) -> str:
    """Return how messages call a device: NAMESPACE/NAME."""
    return f"{record['namespace']}/{record['name']}"


def describe_refused(refused: Sequence[tuple[str, str, str]]) -> str:
    """Return a sentence about addresses that are of more than one device or host."""
    cases = [
        f"{device} reports {address}, which {other} has as well"
        for device, address, other in refused
    ]
    more = f"; and {len(cases) - 5} more" if len(cases) > 5 else ""
    return (
        f"Addresses of more than one device or host are not used as ansible_host: {'; '.join(cases[:5])}{more}. "
        "Restrict address_networks, or set ansible_host of these devices in host_vars."
    )


def warnings(addresses: Addresses) -> list[str]:
    """Return a sentence about addresses that were refused, if there are some."""
    return [describe_refused(addresses.refused)] if addresses.refused else []

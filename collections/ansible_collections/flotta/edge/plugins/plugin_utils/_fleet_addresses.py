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

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
FAMILIES = {"ipv4Addresses": socket.AF_INET, "ipv6Addresses": socket.AF_INET6}
# How addresses begin at which no other machine is reached: unspecified, loopback, link-local, and multicast with what is reserved.
UNREACHABLE = {
    socket.AF_INET: (b"\x00", b"\x7f", b"\xa9\xfe", *(bytes([first]) for first in range(224, 256))),
    socket.AF_INET6: (
        bytes(16),
        bytes(15) + b"\x01",
        *(bytes([0xFE, second]) for second in range(0x80, 0xC0)),
        b"\xff",
    ),
}


def parse_networks(texts: Sequence[str]) -> list[Network]:
    """Return the networks of these texts, such as `10.0.0.0/8`; raises ValueError with a sentence."""
    return [_parse_network(str(text)) for text in texts]


def _parse_network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise ValueError(
            f"address_networks has {text}, which is not a network. Write it as 192.168.0.0/16 or fd00::/8."
        ) from error


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
            address = str(text).partition("/")[0]
            if _is_reachable(address, family):
                yield address


def _is_reachable(address: str, family: socket.AddressFamily) -> bool:
    try:
        packed = socket.inet_pton(family, address)  # in a tenth of the time of `ipaddress`
    except (OSError, ValueError):
        return False
    return not packed.startswith(UNREACHABLE[family])

"""The address by which this host reaches others. Asking for the way there sends nothing."""

from __future__ import annotations

import socket
from collections.abc import Sequence

LOOPBACK = "127.0.0.1"
# Addresses that no host has, by the default route (RFC 5737, RFC 3849).
IPV4 = socket.AF_INET, "192.0.2.1"
IPV6 = socket.AF_INET6, "2001:db8::1"


def find_host_address(ways: Sequence[tuple[socket.AddressFamily, str]] = (IPV4, IPV6)) -> str:
    """Return the address of the first of these ways that the host has, empty when it has none."""
    for family, elsewhere in ways:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as way:
                way.connect((elsewhere, 9))
                return str(way.getsockname()[0])
        except OSError:
            continue
    return ""

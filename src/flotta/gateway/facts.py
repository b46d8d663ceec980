"""What the gateway reports about the device when it connects.

See docs/reference/wire-protocol.md#events-and-connection-status.
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NotRequired, TypedDict

from flotta import __version__

MACHINE_ID = Path("/etc/machine-id")
INTERFACES = Path("/sys/class/net")
SIOCGIFADDR = 0x8915  # netdevice(7)


class CanonicalFacts(TypedDict):
    """What identifies the machine, under the names of the wire protocol."""

    fqdn: str
    ip_addresses: list[str]
    mac_addresses: list[str]
    machine_id: NotRequired[str]


class ConnectionStatus(TypedDict):
    """Content of a connection-status message; `dispatchers` has the features of each worker."""

    canonical_facts: CanonicalFacts
    dispatchers: dict[str, Mapping[str, str]]
    state: Literal["online", "offline"]
    tags: dict[str, str]
    client_version: str


def build_connection_status(
    state: Literal["online", "offline"],
    dispatchers: Mapping[str, Mapping[str, str]],
    tags: Mapping[str, str],
) -> ConnectionStatus:
    """Return the content of a connection-status message."""
    return {
        "canonical_facts": read_canonical_facts(),
        "dispatchers": dict(dispatchers),
        "state": state,
        "tags": dict(tags),
        "client_version": __version__,
    }


def read_canonical_facts() -> CanonicalFacts:
    """Return what identifies the machine; values that cannot be read are left out."""
    facts: CanonicalFacts = {
        "fqdn": socket.gethostname(),
        "ip_addresses": _read_ipv4_addresses(),
        "mac_addresses": _read_mac_addresses(),
    }
    with contextlib.suppress(OSError, ValueError):
        facts["machine_id"] = str(uuid.UUID(MACHINE_ID.read_text().strip()))
    return facts


def _read_ipv4_addresses() -> list[str]:
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for path in sorted(INTERFACES.glob("*")):
            request = struct.pack("256s", path.name.encode()[:15])
            try:
                reply = fcntl.ioctl(sock.fileno(), SIOCGIFADDR, request)
            except OSError:
                continue  # the interface has no address
            found.append(socket.inet_ntoa(reply[20:24]))
    return [address for address in found if not address.startswith("127.")]


def _read_mac_addresses() -> list[str]:
    paths = sorted(INTERFACES.glob("*/address"))
    found = [path.read_text().strip() for path in paths if path.is_file()]
    return [address for address in found if address.strip("0:")]

"""What a medium is to say to the device that boots from it, checked and in types.

`flotta.images.settings.medium` makes it from what a user wrote. Every text is free of line
breaks and control characters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class NetworkProfile:
    """A wired interface, by its name (a pattern) or its MAC address.

    Addresses are in CIDR notation; without any, the interface is configured by DHCP. With `vlan`,
    all of that is about this VLAN of the interface.
    """

    interface: str = ""
    mac: str = ""
    addresses: Sequence[str] = ()
    gateways: Sequence[str] = ()
    dns: Sequence[str] = ()
    vlan: int | None = None


@dataclass(frozen=True)
class WirelessNetwork:
    """A Wi-Fi network; without a passphrase it is an open one."""

    ssid: str
    passphrase: str = field(default="", repr=False)
    hidden: bool = False


@dataclass(frozen=True)
class Credential:
    """A registration certificate, its key and the CAs of the fleet, PEM."""

    certificate: bytes
    key: bytes = field(repr=False)
    authorities: bytes


@dataclass(frozen=True)
class Personalisation:
    """Everything that differs from one medium to another.

    `server` is host and port of the Edge API, `address` an IP address of it for devices whose DNS
    does not know it. `not_before` is the Unix time since which the certificate is valid.
    """

    server: str
    credential: Credential
    not_before: int
    address: str = ""
    path_prefix: str = "api/flotta-management/v1"
    namespace: str = "default"
    batch: str = ""
    device_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    networks: Sequence[NetworkProfile] = ()
    wireless: Sequence[WirelessNetwork] = ()
    ssh_keys: Sequence[str] = ()
    state_disk: str = ""
    extra_authorities: bytes = b""

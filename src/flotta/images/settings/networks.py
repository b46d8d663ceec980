"""Settings of wired interfaces and Wi-Fi networks."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Sequence

from flotta.dns1123 import is_subdomain
from flotta.images.settings.fields import (
    Fields,
    boolean,
    invalid,
    items,
    matching,
    number,
    quoted,
    text,
)
from flotta.own_names import DEVICE_PORT
from flotta.payload.personalisation import NetworkProfile, WirelessNetwork
from flotta.printable_text import printable

MAX_NETWORKS = 32
MAX_ADDRESSES = 16
MAX_SSID = 32  # bytes (IEEE 802.11)
MAX_VLAN = 4094
ZONE = "%"  # begins the zone of an address (RFC 4007, 11)
INTERFACE = re.compile(r"[A-Za-z0-9._*?-]{1,15}")  # 15 is the kernel's IFNAMSIZ without the end
MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")
PASSPHRASE = re.compile(r"[\x20-\x7e]{8,63}|[0-9a-fA-F]{64}")  # IEEE 802.11i, annex H


def is_address(value: str) -> bool:
    """Tell whether a text is an IP address, without a zone: anything may stand in one."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return ZONE not in value


def is_host_and_port(value: str) -> bool:
    """Tell whether a text is a host, or address, and a port."""
    host, colon, port = value.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    named = is_address(host[1:-1]) if bracketed else is_subdomain(host.lower())
    return bool(colon) and named and port.isascii() and port.isdigit() and 0 < int(port) < 65536


def with_port(value: object, path: str) -> str:
    """Read host and port of the Edge API; its usual port may be left out."""
    plain = text(value, path)
    for candidate in (plain, f"{plain}:{DEVICE_PORT}"):
        if is_host_and_port(candidate):
            return candidate
    raise invalid(path, f"is {plain!r}, and not host:port without a scheme")


def read_networks(value: object, path: str) -> Sequence[NetworkProfile]:
    """Read all interfaces; each, and each VLAN of the device, may be given once."""
    profiles = items(read_network, MAX_NETWORKS)(value, path)
    vlans = [f"VLAN {item.vlan}" for item in profiles if item.vlan is not None]
    _require_different(vlans, path)
    _require_different([item.interface + item.mac for item in profiles if not item.vlan], path)
    return profiles


def read_wireless_networks(value: object, path: str) -> Sequence[WirelessNetwork]:
    """Read all Wi-Fi networks; each name may be given once."""
    networks = items(read_wireless, MAX_NETWORKS)(value, path)
    _require_different([item.ssid for item in networks], path)
    return networks


def _require_different(names: Sequence[str], path: str) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise invalid(path, f"has {printable(twice)} twice")


def server(value: object, path: str) -> str:
    """Read host and port of the Edge API, which no device reaches at itself."""
    found = with_port(value, path)
    if _is_loopback(found.rpartition(":")[0].strip("[]").lower()):
        raise invalid(
            path,
            f"is {found!r}, which is each device itself; name the Edge API as devices reach it",
        )
    return found


def _is_loopback(host: str) -> bool:
    """Tell whether a host is this machine itself (RFC 6761, 6.3), or no host at all."""
    if not is_address(host):
        return host == "localhost" or host.endswith(".localhost")
    address = ipaddress.ip_address(host)
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback or mapped.is_unspecified)


def read_network(value: object, path: str) -> NetworkProfile:
    """Read the settings of one interface."""
    fields = Fields(value, path)
    profile = NetworkProfile(
        interface=fields.take(
            "interface", matching(_is_interface, "a name such as eth0 or en*"), ""
        ),
        mac=fields.take("mac", matching(_is_mac, "a MAC address"), "").lower(),
        addresses=fields.take("addresses", items(ADDRESS, MAX_ADDRESSES), ()),
        gateways=fields.take("gateways", items(IP, MAX_ADDRESSES), ()),
        dns=fields.take("dns", items(IP, MAX_ADDRESSES), ()),
        vlan=fields.take("vlan", number(1, MAX_VLAN), None),
    )
    fields.finish()
    if bool(profile.interface) == bool(profile.mac):
        raise invalid(path, "needs either interface or mac")
    if profile.gateways and not profile.addresses:
        raise invalid(f"{path}.gateways", "needs addresses; DHCP gives its own gateways")
    return profile


def read_wireless(value: object, path: str) -> WirelessNetwork:
    """Read a Wi-Fi network; its passphrase is in no message."""
    fields = Fields(value, path)
    network = WirelessNetwork(
        ssid=fields.require("ssid", _ssid),
        passphrase=fields.take("passphrase", _passphrase, ""),
        hidden=fields.take("hidden", boolean, False),
    )
    fields.finish()
    return network


def _ssid(value: object, path: str) -> str:
    plain = quoted(value, path)  # an emoji has characters that `text` takes for invisible
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in plain):
        raise invalid(path, "has characters that a network's name cannot have")
    if len(plain.encode()) > MAX_SSID:
        raise invalid(path, f"has more than {MAX_SSID} bytes")
    return plain


def _passphrase(value: object, path: str) -> str:
    plain = quoted(value, path)
    if not PASSPHRASE.fullmatch(plain):
        raise invalid(path, "is neither 8 to 63 characters of ASCII nor 64 hexadecimal digits")
    return plain


def _is_interface(name: str) -> bool:
    return INTERFACE.fullmatch(name) is not None


def _is_mac(value: str) -> bool:
    return MAC.fullmatch(value) is not None


def _is_interface_address(value: str) -> bool:
    try:
        ipaddress.ip_interface(value)
    except ValueError:
        return False
    return "/" in value and ZONE not in value


ADDRESS = matching(_is_interface_address, "an address with its prefix, such as 192.0.2.7/24")
IP = matching(is_address, "an IP address")

"""Network settings as files of systemd-networkd and iwd.

Formats: systemd.network(5), systemd.netdev(5), iwd.network(5). The names sort before those of the
base, which configures every wired interface by DHCP.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence

from flotta.payload.personalisation import NetworkProfile, WirelessNetwork
from flotta.payload.tree import PayloadFile

NETWORKD = "/etc/systemd/network"
IWD = "/var/lib/iwd"
PLAIN_SSID = frozenset(string.ascii_letters + string.digits + "-_ ")
KEY_LENGTH = 64  # hexadecimal digits of a key that was derived from the passphrase already


def render_networks(profiles: Sequence[NetworkProfile]) -> Iterator[PayloadFile]:
    """Yield the files of systemd-networkd for wired interfaces.

    An interface has one file: networkd takes the first that matches, and no other.
    """
    done: set[tuple[str, str]] = set()
    for index, profile in enumerate(profiles):
        name = f"{NETWORKD}/10-flotta-{index}"
        if _identity(profile) not in done:
            same = [other for other in profiles if _identity(other) == _identity(profile)]
            yield _file(f"{name}.network", [*_match(profile), *_interface(same)])
        done.add(_identity(profile))
        if profile.vlan is not None:
            vlan = f"vlan{profile.vlan}"
            kind = ["[NetDev]", f"Name={vlan}", "Kind=vlan", "[VLAN]", f"Id={profile.vlan}"]
            yield _file(f"{name}.netdev", kind)
            yield _file(f"{name}-vlan.network", ["[Match]", f"Name={vlan}", *_addresses(profile)])


def _identity(profile: NetworkProfile) -> tuple[str, str]:
    return profile.interface, profile.mac


def _interface(profiles: Sequence[NetworkProfile]) -> list[str]:
    """Return what is said of one interface: its VLANs, and addresses of its own if it has any."""
    vlans = [f"VLAN=vlan{profile.vlan}" for profile in profiles if profile.vlan is not None]
    own = [line for profile in profiles if profile.vlan is None for line in _addresses(profile)]
    return [*(own or ["[Network]", "LinkLocalAddressing=no"]), *vlans]


def render_wireless(networks: Sequence[WirelessNetwork]) -> Iterator[PayloadFile]:
    """Yield the files of iwd for Wi-Fi networks, those with a passphrase as secrets."""
    for network in networks:
        kind = "psk" if network.passphrase else "open"
        lines = ["[Settings]", "Hidden=true"] if network.hidden else []
        if network.passphrase:
            lines += ["[Security]", _secret(network.passphrase)]
        content = "".join(f"{line}\n" for line in lines).encode()
        path = f"{IWD}/{encode_ssid(network.ssid)}.{kind}"
        yield PayloadFile(path, content, 0o600, secret=bool(network.passphrase))


def encode_ssid(ssid: str) -> str:
    """Return the SSID in the name of a file of iwd (iwd.network(5), "Naming")."""
    if set(ssid) <= PLAIN_SSID:
        return ssid
    return f"={ssid.encode().hex()}"


def _match(profile: NetworkProfile) -> list[str]:
    named = f"Name={profile.interface}" if profile.interface else f"MACAddress={profile.mac}"
    # A bridge or VLAN has the MAC address of its interface, and must not get its settings.
    return ["[Match]", named, *([] if profile.interface else ["Type=ether", "Kind=!*"])]


def _addresses(profile: NetworkProfile) -> list[str]:
    lines = ["[Network]"]
    lines += [f"Address={address}" for address in profile.addresses] or ["DHCP=yes"]
    lines += [f"Gateway={gateway}" for gateway in profile.gateways]
    return lines + [f"DNS={server}" for server in profile.dns]


def _secret(passphrase: str) -> str:
    if len(passphrase) == KEY_LENGTH:
        return f"PreSharedKey={passphrase}"
    escaped = passphrase.replace("\\", "\\\\")
    # A space at the beginning would be taken for one between the name and the value.
    spaced = f"\\s{escaped[1:]}" if escaped.startswith(" ") else escaped
    return f"Passphrase={spaced}"


def _file(path: str, lines: Sequence[str]) -> PayloadFile:
    return PayloadFile(path, "".join(f"{line}\n" for line in lines).encode())

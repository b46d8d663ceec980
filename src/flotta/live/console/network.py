"""The network as far as a person at the device can help: plugs and addresses."""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flotta.durable_files import read_bounded

INTERFACES = Path("sys/class/net")
IPV6_ADDRESSES = Path("proc/net/if_inet6")
SIOCGIFADDR = 0x8915  # netdevice(7)
GLOBAL_SCOPE = "00"  # in if_inet6; addresses of the link alone have others
MAX_SIZE = 64 * 1024  # bytes of if_inet6
MAX_INTERFACES = 32
VLAN = "DEVTYPE=vlan"


@dataclass(frozen=True)
class Interface:
    """A network interface of the machine itself, or a VLAN; not one of containers."""

    name: str
    wireless: bool
    connected: bool  # a cable is plugged in, or the access point has answered
    addresses: tuple[str, ...]


def read_interfaces(root: Path = Path("/")) -> tuple[Interface, ...]:
    """Return the interfaces that are hardware, and VLANs with addresses, ordered by their names."""
    found = sorted((root / INTERFACES).glob("*"))
    hardware = [path for path in found if (path / "device").exists()][:MAX_INTERFACES]
    virtual = [path for path in found if VLAN in _read(path / "uevent").split()][:MAX_INTERFACES]
    networks = (_read_interface(path, root) for path in virtual)
    return (
        *(_read_interface(path, root) for path in hardware),
        *(network for network in networks if network.addresses),
    )


def _read_interface(path: Path, root: Path) -> Interface:
    return Interface(
        path.name,
        (path / "wireless").exists() or (path / "phy80211").exists(),
        _read(path / "carrier") == "1",
        (*_ipv4(path.name), *_ipv6(path.name, root)),
    )


def _ipv4(name: str) -> Iterator[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            reply = fcntl.ioctl(sock, SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
        except OSError:
            return  # the interface has no address
    address = ipaddress.IPv4Address(reply[20:24])
    if not address.is_link_local:  # given by nobody
        yield str(address)


def _ipv6(name: str, root: Path) -> Iterator[str]:
    """Yield the addresses of an interface that others can reach (proc_net(5))."""
    for line in _read(root / IPV6_ADDRESSES).splitlines():
        fields = line.split()
        if len(fields) == 6 and fields[5] == name and fields[3] == GLOBAL_SCOPE:
            try:
                yield str(ipaddress.IPv6Address(bytes.fromhex(fields[0])))
            except ValueError:
                continue


def _read(path: Path) -> str:
    try:
        return read_bounded(path, MAX_SIZE).decode("ascii", "replace").strip()
    except OSError:  # `carrier` of an interface that is down, too
        return ""

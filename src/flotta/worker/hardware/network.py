"""Network interfaces and their addresses; rtnetlink(7) gives the addresses with their prefixes."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from flotta.protocol.hardware import Interface
from flotta.worker.hardware.sysfs import list_directory, read_number, read_text

HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
ADDRESS = struct.Struct("=BBBBi")  # struct ifaddrmsg
ATTRIBUTE = struct.Struct("=HH")  # struct rtattr
GET_ADDRESSES, NEW_ADDRESS, ERROR, DONE = 22, 20, 2, 3  # types of messages, netlink(7)
REQUEST_DUMP = 0x1 | 0x300  # NLM_F_REQUEST | NLM_F_DUMP
IFA_ADDRESS, IFA_LOCAL = 1, 2  # types of attributes
KERNEL_TIMEOUT = 2.0  # seconds for a response that needs no I/O
BUFFER_SIZE = 64 * 1024  # bytes of an answer read at once
FLAGS = (
    (0x1, "up"),
    (0x2, "broadcast"),
    (0x8, "loopback"),
    (0x10, "pointtopoint"),
    (0x1000, "multicast"),
)
OF_CONTAINERS = ("veth", "podman", "cni-", "docker", "br-")


def read_interfaces(root: Path) -> list[Interface | None]:
    """Return the interfaces of the device itself, without loopback and those for containers."""
    addresses = read_addresses()
    return [
        _read_interface(entry, addresses)
        for entry in list_directory(root / "sys/class/net")
        if entry.name != "lo" and not entry.name.startswith(OF_CONTAINERS)
    ]


def _read_interface(
    entry: Path, addresses: dict[int, list[ipaddress.IPv4Interface | ipaddress.IPv6Interface]]
) -> Interface:
    own = addresses.get(read_number(entry / "ifindex") or 0, [])
    flags = read_number(entry / "flags") or 0
    speed = read_number(entry / "speed")
    return Interface(
        name=entry.name,
        mac_address=read_text(entry / "address") or None,
        mtu=read_number(entry / "mtu"),
        speed_mbps=speed if speed and speed > 0 else None,
        has_carrier=read_text(entry / "carrier") == "1",
        flags=[name for bit, name in FLAGS if flags & bit],
        vendor=read_text(entry / "device/vendor") or None,
        product=read_text(entry / "device/device") or None,
        ipv4_addresses=[str(address) for address in own if address.version == 4],
        ipv6_addresses=[
            str(address) for address in own if address.version == 6 and not address.is_link_local
        ],
    )


def read_addresses() -> dict[int, list[ipaddress.IPv4Interface | ipaddress.IPv6Interface]]:
    """Return interface index → addresses with prefix length, empty when the kernel refuses."""
    found: dict[int, list[ipaddress.IPv4Interface | ipaddress.IPv6Interface]] = {}
    try:
        for index, address in _request_addresses():
            found.setdefault(index, []).append(address)
    except OSError:
        return {}
    return found


def _request_addresses() -> Iterator[tuple[int, ipaddress.IPv4Interface | ipaddress.IPv6Interface]]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.settimeout(KERNEL_TIMEOUT)
        body = ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        header = HEADER.pack(HEADER.size + len(body), GET_ADDRESSES, REQUEST_DUMP, 1, 0)
        kernel.send(header + body)
        for kind, payload in _receive_messages(kernel):
            if kind == NEW_ADDRESS:
                yield from _parse_address(payload)


def _receive_messages(kernel: socket.socket) -> Iterator[tuple[int, bytes]]:
    """Yield type and content of each message until the answer ends, well or with an error."""
    while True:
        for kind, payload in _split_messages(kernel.recv(BUFFER_SIZE)):
            if kind in (DONE, ERROR):
                return
            yield kind, payload


def _split_messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + HEADER.size <= len(data):
        length, kind, *_ = HEADER.unpack_from(data, offset)
        yield kind, data[offset + HEADER.size : offset + length]
        offset += max(HEADER.size, (length + 3) & ~3)


def _parse_address(
    payload: bytes,
) -> Iterator[tuple[int, ipaddress.IPv4Interface | ipaddress.IPv6Interface]]:
    _, prefix, _, _, index = ADDRESS.unpack_from(payload)
    attributes: dict[int, bytes] = {}
    offset = ADDRESS.size
    while offset + ATTRIBUTE.size <= len(payload):
        length, kind = ATTRIBUTE.unpack_from(payload, offset)
        attributes[kind] = payload[offset + ATTRIBUTE.size : offset + length]
        offset += max(ATTRIBUTE.size, (length + 3) & ~3)
    raw = attributes.get(IFA_LOCAL) or attributes.get(IFA_ADDRESS)
    if raw and len(raw) in (4, 16):
        yield index, ipaddress.ip_interface((raw, prefix))

# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# Copied by scripts/generate_module_utils.py from src/flotta/protocol/hardware.py: change that.
"""HardwareInfo and its parts on the wire (docs/reference/wire-protocol.md#hardware).

Sizes are in bytes, the CPU frequency is in MHz.
"""

from __future__ import annotations

from typing import Annotated

try:
    import msgspec
except ImportError:  # the plugin that needs it says so
    msgspec = None

# Items of a list. No device has so many: it is ten times what an EdgeDevice keeps of the list
# (docs/reference/control-plane.md#limits), and only saves the work for a body full of empty items.
HUNDREDS = msgspec.Meta(max_length=1_280)
THOUSANDS = msgspec.Meta(max_length=10_240)


class _Part(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Base of the parts: None is not sent."""


class Boot(_Part):
    """`boot`; the mode is uefi or bios."""

    current_boot_mode: str | None = None
    pxe_interface: str | None = None


class CPU(_Part):
    """`cpu`, the processors together."""

    architecture: str | None = None
    count: int | None = None  # logical processors
    flags: Annotated[list[str], THOUSANDS] | None = None
    frequency: float | None = None  # MHz, the highest
    model_name: str | None = None


class IoPerf(_Part):
    """`io_perf` of a disk."""

    sync_duration: int | None = None  # milliseconds of an fsync, 99th percentile


class Disk(_Part):
    """An element of `disks`: a whole disk."""

    bootable: bool | None = None
    by_id: str | None = None
    by_path: str | None = None
    drive_type: str | None = None  # HDD, SSD
    hctl: str | None = None
    id: str | None = None
    io_perf: IoPerf | None = None
    is_installation_media: bool | None = None
    model: str | None = None
    name: str | None = None
    path: str | None = None
    serial: str | None = None
    size_bytes: int | None = None
    smart: str | None = None
    vendor: str | None = None
    wwn: str | None = None


class Gpu(_Part):
    """An element of `gpus`; `address` is on its bus."""

    address: str | None = None
    device_id: str | None = None
    name: str | None = None
    vendor: str | None = None
    vendor_id: str | None = None


class HostDevice(_Part):
    """An element of `host_devices`: a device file that pods may use, and its owner.

    `device_type` is b (block) or c (character), as for mknod(1).
    """

    device_type: str | None = None
    gid: int | None = None
    major: int | None = None
    minor: int | None = None
    path: str | None = None
    uid: int | None = None


class Interface(_Part):
    """An element of `interfaces`: a network interface."""

    biosdevname: str | None = None
    client_id: str | None = None
    flags: Annotated[list[str], HUNDREDS] | None = None
    has_carrier: bool | None = None
    # With prefix length, as the IPv6 ones.
    ipv4_addresses: Annotated[list[str], HUNDREDS] | None = None
    ipv6_addresses: Annotated[list[str], HUNDREDS] | None = None
    mac_address: str | None = None
    mtu: int | None = None
    name: str | None = None
    product: str | None = None
    speed_mbps: int | None = None
    vendor: str | None = None


class Memory(_Part):
    """`memory`: the installed memory, and what the kernel can use."""

    physical_bytes: int | None = None
    usable_bytes: int | None = None


class Mount(_Part):
    """An element of `mounts`: a mounted file system; in a configuration, one to be mounted."""

    device: str | None = None
    directory: str | None = None
    options: str | None = None
    type: str | None = None


class SystemVendor(_Part):
    """`system_vendor`: the maker of the device, and whether it is a virtual machine."""

    manufacturer: str | None = None
    product_name: str | None = None
    serial_number: str | None = None
    virtual: bool | None = None


class HardwareInfo(_Part):
    """What a device reports about itself; every part is optional, None means "not reported"."""

    boot: Boot | None = None
    cpu: CPU | None = None
    disks: Annotated[list[Disk | None], HUNDREDS] | None = None
    gpus: Annotated[list[Gpu | None], HUNDREDS] | None = None
    host_devices: Annotated[list[HostDevice | None], THOUSANDS] | None = None
    hostname: str | None = None
    interfaces: Annotated[list[Interface | None], HUNDREDS] | None = None
    memory: Memory | None = None
    mounts: Annotated[list[Mount | None], THOUSANDS] | None = None
    system_vendor: SystemVendor | None = None

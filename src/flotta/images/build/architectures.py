"""What processor architectures differ in, named as Debian names them."""

from __future__ import annotations

import platform
from dataclasses import dataclass

MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}  # uname -m


@dataclass(frozen=True)
class Architecture:
    """Packages and files that boot devices of an architecture."""

    name: str
    machine: str  # as uname -m prints it
    kernel: str  # package that depends on the newest kernel
    loaders: tuple[str, ...]  # packages with the boot loaders
    shim: str  # file of the package shim-signed
    grub: str  # GRUB for removable media, signed by Debian
    boot_name: str  # where UEFI firmware looks for the boot loader of a removable medium
    grub_name: str  # beside it, where shim looks for GRUB
    has_bios: bool
    consoles: tuple[str, ...]  # arguments of the kernel; the last one is /dev/console
    terminals: tuple[str, ...]  # where the state of the device is shown


AMD64 = Architecture(
    name="amd64",
    machine="x86_64",
    kernel="linux-image-amd64",
    loaders=(
        "grub-efi-amd64-signed",
        "shim-signed",
        "grub-pc-bin",
        "grub-common",
        "libdevmapper1.02.1",  # of grub-mkimage
        "liblzma5",
    ),
    shim="usr/lib/shim/shimx64.efi.signed",
    grub="usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed",
    boot_name="BOOTX64.EFI",
    grub_name="grubx64.efi",
    has_bios=True,
    consoles=("ttyS0,115200", "tty0"),
    terminals=("/dev/tty1", "/dev/ttyS0"),
)
ARM64 = Architecture(
    name="arm64",
    machine="aarch64",
    kernel="linux-image-arm64",
    loaders=("grub-efi-arm64-signed", "shim-signed"),
    shim="usr/lib/shim/shimaa64.efi.signed",
    grub="usr/lib/grub/arm64-efi-signed/gcdaa64.efi.signed",
    boot_name="BOOTAA64.EFI",
    grub_name="grubaa64.efi",
    has_bios=False,
    consoles=("ttyS0,115200", "ttyAMA0,115200", "tty0"),
    terminals=("/dev/tty1", "/dev/ttyAMA0", "/dev/ttyS0"),
)
ARCHITECTURES = {known.name: known for known in (AMD64, ARM64)}


def native_architecture() -> str:
    """Return the architecture of this machine, as uname names it if Debian's name is unknown."""
    machine = platform.machine()
    return MACHINES.get(machine, machine)

"""For which processors an ISO is: of its kernels and UEFI programs, never of this machine."""

from __future__ import annotations

from collections.abc import Iterable

from flotta.images.iso.iso9660 import Iso

AMD64, ARM64 = "amd64", "arm64"  # as Debian names them
ALIASES = {"x86_64": AMD64, "aarch64": ARM64}  # as the kernel names them
MACHINE_NAMES = {debian: kernel for kernel, debian in ALIASES.items()}
X86_MAGIC, X86_OFFSET = b"HdrS", 0x202  # Documentation/arch/x86/boot.rst
ARM64_MAGIC, ARM64_OFFSET = b"ARM\x64", 0x38  # Documentation/arch/arm64/booting.rst
X86_64_ENTRY, XLOADFLAGS = 0x01, 0x236  # a kernel that has a 64-bit entry point
HEAD = 0x240  # bytes of a kernel that tell
UEFI_PROGRAMS = {"BOOTX64.EFI": AMD64, "BOOTAA64.EFI": ARM64}


def normalise_architecture(name: str) -> str:
    """Return Debian's name of an architecture."""
    return ALIASES.get(name, name)


def kernel_architecture(head: bytes) -> str | None:
    """Return the architecture of a kernel from its first bytes, None if they are none."""
    if len(head) >= HEAD and head[X86_OFFSET : X86_OFFSET + 4] == X86_MAGIC:
        return AMD64 if head[XLOADFLAGS] & X86_64_ENTRY else None
    if head[ARM64_OFFSET : ARM64_OFFSET + 4] == ARM64_MAGIC:
        return ARM64
    return None


def find_architecture(iso: Iso, kernels: Iterable[str]) -> str | None:
    """Return the architecture of the first of these kernels, else of the UEFI programs."""
    for path in kernels:
        record = iso.find(path)
        if record is not None and record.extent.size >= HEAD:
            found = kernel_architecture(iso.read_at(record.extent.offset, HEAD))
            if found:
                return found
    names = {record.name.upper() for record in iso.list_directory("/EFI/BOOT")}
    return next((value for name, value in UEFI_PROGRAMS.items() if name in names), None)

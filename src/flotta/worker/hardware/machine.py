"""Processor, memory, manufacturer and firmware."""

from __future__ import annotations

import os
import re
from pathlib import Path

from flotta.protocol.hardware import CPU, Boot, Memory, SystemVendor
from flotta.worker.hardware.sysfs import list_directory, read_number, read_text

VIRTUAL = re.compile(r"KVM|VirtualBox|VMware|Virtual Machine|AHV|HVM domU|oVirt|QEMU", re.I)
MODEL_KEYS = ("model name", "Model", "Hardware", "cpu model", "uarch", "Processor")


def read_cpu(root: Path) -> CPU:
    """Read /proc/cpuinfo; the frequency is the highest one in MHz."""
    text = read_text(root / "proc/cpuinfo")
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(key.strip(), value.strip())
    model = next((fields[key] for key in MODEL_KEYS if fields.get(key)), "")
    flags = fields.get("flags") or fields.get("Features") or ""
    return CPU(
        architecture=os.uname().machine,
        model_name=model or read_text(root / "proc/device-tree/model") or "unknown",
        count=os.cpu_count(),
        frequency=_read_frequency(root, fields),
        flags=flags.split(),
    )


def _read_frequency(root: Path, fields: dict[str, str]) -> float | None:
    kilohertz = read_number(root / "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")
    if kilohertz:
        return kilohertz / 1000
    try:
        return float(fields["cpu MHz"])
    except (KeyError, ValueError):
        return None


def read_memory(root: Path) -> Memory:
    """Return what the kernel can use, and what is installed, if the kernel knows."""
    match = re.search(r"^MemTotal:\s+(\d+) kB", read_text(root / "proc/meminfo"), re.M)
    usable = int(match[1]) * 1024 if match else None
    return Memory(physical_bytes=_read_memory_blocks(root) or usable, usable_bytes=usable)


def _read_memory_blocks(root: Path) -> int | None:
    folder = root / "sys/devices/system/memory"
    size = read_text(folder / "block_size_bytes")
    online = [
        entry
        for entry in list_directory(folder)
        if entry.name.removeprefix("memory").isdigit() and read_text(entry / "online") == "1"
    ]
    return int(size, 16) * len(online) if size and online else None


def read_system_vendor(root: Path) -> SystemVendor:
    """Read DMI, or on boards without it the device tree."""
    dmi = root / "sys/class/dmi/id"
    tree = root / "proc/device-tree"
    product = read_text(dmi / "product_name") or read_text(tree / "model")
    maker = read_text(dmi / "sys_vendor") or read_text(tree / "compatible").partition(",")[0]
    return SystemVendor(
        manufacturer=maker or "unknown",
        product_name=product or "unknown",
        serial_number=read_text(dmi / "product_serial")
        or read_text(tree / "serial-number")
        or "unknown",
        virtual=bool(VIRTUAL.search(f"{maker} {product}")),
    )


def read_boot(root: Path) -> Boot:
    """Return the boot mode."""
    return Boot(current_boot_mode="uefi" if (root / "sys/firmware/efi").exists() else "bios")

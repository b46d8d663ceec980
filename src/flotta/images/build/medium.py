"""The ISO of a base image: its files, and the call of xorriso that makes it bootable."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flotta.images.build.architectures import Architecture
from flotta.images.build.isolated import run_isolated
from flotta.images.build.system_files import render

VOLUME = "FLOTTA_LIVE"
AREA = 262144  # bytes, zero: personalising overwrites them
FORMAT = 1


@dataclass(frozen=True)
class BaseDescription:
    """What `flotta/base.json` says of an image."""

    release: str
    suite: str
    architecture: str
    content_id: str
    inputs: str
    kernel: str
    epoch: int
    packages: dict[str, str]

    def dump(self) -> bytes:
        """Return the file."""
        fields = {
            "format": FORMAT,
            "kind": "flotta-live",
            "release": self.release,
            "suite": self.suite,
            "architecture": self.architecture,
            "contentID": self.content_id,
            "inputs": self.inputs,
            "kernel": self.kernel,
            "epoch": self.epoch,
            "packages": self.packages,
        }
        return (json.dumps(fields, indent=1) + "\n").encode()


def lay_out(tree: Path, description: BaseDescription, architecture: Architecture) -> None:
    """Write the small files of the medium; kernel, initramfs and root are in `tree` already."""
    (tree / ".disk").mkdir()
    about = f"flotta.edge {description.release} live {description.suite} {description.architecture}"
    # Debian's signed GRUB looks for the medium by this file.
    (tree / ".disk/info").write_text(f"{about}\n", encoding="ascii")
    (tree / "flotta/base.json").write_bytes(description.dump())
    (tree / "flotta/payload.img").write_bytes(bytes(AREA))
    variables = {"content_id": description.content_id, "consoles": architecture.consoles}
    (tree / "boot/grub/grub.cfg").write_text(render("grub.cfg", variables), encoding="ascii")


def write_iso(tree: Path, output: Path, epoch: int, master_boot_record: Path | None) -> None:
    """Write the ISO; without a master boot record it starts by UEFI only."""
    date = datetime.fromtimestamp(epoch, UTC).strftime("%Y%m%d%H%M%S00")
    bios = [
        *("-b", "boot/grub/eltorito.img", "-no-emul-boot", "-boot-load-size", "4"),
        *("-boot-info-table", "--grub2-boot-info", "--grub2-mbr", str(master_boot_record)),
    ]
    uefi = ["--efi-boot", "boot/grub/efi.img", "-efi-boot-part", "--efi-boot-image"]
    run_isolated(
        [
            *("xorriso", "-as", "mkisofs", "-quiet", "-r", "-J", "-joliet-long", "-V", VOLUME),
            f"--modification-date={date}",
            *("-c", "boot/grub/boot.catalog"),
            *(bios if master_boot_record else ()),
            *uefi,
            *("--set_all_file_dates", date),
            *("-o", str(output), str(tree)),
        ],
        environment={"SOURCE_DATE_EPOCH": str(epoch)},
    )

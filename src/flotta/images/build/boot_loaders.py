"""What the firmware starts: GRUB as an El Torito image for BIOS, a FAT file system for UEFI."""

from __future__ import annotations

import os
import shutil
from importlib.resources import files
from pathlib import Path

from flotta.images.build.architectures import Architecture
from flotta.images.build.isolated import run_isolated

GRUB = "usr/lib/grub/i386-pc"  # below /boot/build
EMBEDDED = (
    *("biosdisk", "iso9660", "part_msdos", "part_gpt", "fat", "normal", "configfile", "linux"),
    *("search", "search_fs_file", "test", "echo", "minicmd", "sleep", "boot"),
)
KIBIBYTES = 6144  # of the FAT file system: shim and GRUB have 4.5 MB
SERIAL = "466c6f74"  # of the FAT file system, hexadecimal


def make_bios_image(root: Path, destination: Path) -> Path:
    """Write GRUB's image for BIOS; return the master boot record that starts it from a disk."""
    build = root / "boot/build"
    (build / "early.cfg").write_bytes(files(__package__).joinpath("data", "early.cfg").read_bytes())
    libraries = sorted({str(path.parent.relative_to(root)) for path in build.rglob("lib*.so.*")})
    run_isolated(
        [
            "/boot/build/usr/bin/grub-mkimage",
            "--format=i386-pc-eltorito",
            f"--directory=/boot/build/{GRUB}",
            "--prefix=/boot/grub",
            "--config=/boot/build/early.cfg",
            "--output=/boot/build/eltorito.img",
            *EMBEDDED,
        ],
        root=root,
        environment={"LD_LIBRARY_PATH": ":".join(f"/{path}" for path in libraries)},
    )
    shutil.copyfile(build / "eltorito.img", destination)
    return build / GRUB / "boot_hybrid.img"


def make_uefi_image(root: Path, architecture: Architecture, destination: Path, epoch: int) -> None:
    """Write the FAT file system with Debian's signed shim and GRUB."""
    build = root / "boot/build"
    image = str(destination)
    with open(destination, "wb") as file:
        file.truncate(KIBIBYTES * 1024)
    times = {"SOURCE_DATE_EPOCH": str(epoch), "MTOOLS_SKIP_CHECK": "1"}
    run_isolated(
        ["mformat", "-i", image, "-N", SERIAL, "-v", "FLOTTA_EFI", "::"], environment=times
    )
    run_isolated(["mmd", "-i", image, "::/EFI", "::/EFI/BOOT"], environment=times)
    named = {architecture.shim: architecture.boot_name, architecture.grub: architecture.grub_name}
    for source, name in named.items():
        os.utime(build / source, (epoch, epoch))
        target = f"::/EFI/BOOT/{name}"
        run_isolated(["mcopy", "-m", "-i", image, str(build / source), target], environment=times)

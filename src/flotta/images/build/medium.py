"""The ISO of a base image, from the finished root."""

from __future__ import annotations

import hashlib
import shutil
from datetime import UTC, datetime
from pathlib import Path

from flotta.images.base_record import (
    AREA,
    AREA_SIZE,
    FORMAT,
    LIVE,
    PATH,
    BaseRecord,
    dump_record,
)
from flotta.images.build.architectures import Architecture
from flotta.images.build.boot_loaders import make_bios_image, make_uefi_image
from flotta.images.build.initramfs import make_initramfs
from flotta.images.build.isolated import run_isolated
from flotta.images.build.request import COMPRESSIONS, BaseRequest
from flotta.images.build.system_files import render

VOLUME = "FLOTTA_LIVE"
EMPTY = ("boot", "dev", "proc", "sys", "run", "tmp", "var/tmp")  # of the root, in the image


def make_medium(
    request: BaseRequest, root: Path, output: Path, *, epoch: int, inputs: str, release: str
) -> BaseRecord:
    """Write the ISO and return what it says of itself; `root` and a directory beside it are used.

    `release` is that of the programs. Raises ImageError when a tool fails.
    """
    tree = root.with_name("tree")
    (tree / "flotta").mkdir(parents=True)
    (tree / "boot/grub").mkdir(parents=True)
    kernel = (root / "boot/kernel").read_text(encoding="ascii").strip()
    packages = _packages(root)
    (tree / "flotta/initrd.img").write_bytes(make_initramfs(root, kernel, epoch))
    shutil.copyfile(root / "boot/vmlinuz", tree / "flotta/vmlinuz")
    boot_record = _make_loaders(request.architecture, root, tree, epoch)
    _compress(root, tree / "flotta/root.squashfs", request.compression, epoch)
    record = BaseRecord(
        format=FORMAT,
        kind=LIVE,
        release=release,
        suite=request.suite.name,
        architecture=request.architecture.name,
        content_id=_content_id(tree),
        inputs=inputs,
        kernel=kernel,
        epoch=epoch,
        packages=packages,
    )
    _lay_out(tree, record, request.architecture)
    _write_iso(tree, output, epoch, boot_record)
    return record


def _make_loaders(architecture: Architecture, root: Path, tree: Path, epoch: int) -> Path | None:
    """Write what the firmware starts; return the master boot record, None without BIOS."""
    make_uefi_image(root, architecture, tree / "boot/grub/efi.img", epoch)
    if not architecture.has_bios:
        return None
    found = make_bios_image(root, tree / "boot/grub/eltorito.img")
    kept = root.with_name("boot_record.img")
    shutil.copyfile(found, kept)
    return kept


def _compress(root: Path, destination: Path, compression: str, epoch: int) -> None:
    for name in EMPTY:
        for entry in (root / name).iterdir():
            is_tree = entry.is_dir() and not entry.is_symlink()
            shutil.rmtree(entry) if is_tree else entry.unlink()
    times = ("-mkfs-time", str(epoch), "-all-time", str(epoch))
    quiet = ("-noappend", "-no-exports", "-no-progress", "-quiet")
    how = ("-comp", *COMPRESSIONS[compression])
    run_isolated(["mksquashfs", str(root), str(destination), *how, *quiet, *times])


def _lay_out(tree: Path, record: BaseRecord, architecture: Architecture) -> None:
    (tree / ".disk").mkdir()
    about = f"flotta.edge {record.release} live {record.suite} {record.architecture}"
    # Debian's signed GRUB looks for the medium by this file.
    (tree / ".disk/info").write_text(f"{about}\n", encoding="ascii")
    (tree / PATH.lstrip("/")).write_bytes(dump_record(record))
    (tree / AREA.lstrip("/")).write_bytes(bytes(AREA_SIZE))
    variables = {"content_id": record.content_id, "consoles": architecture.consoles}
    (tree / "boot/grub/grub.cfg").write_text(render("grub.cfg", variables), encoding="ascii")


def _write_iso(tree: Path, output: Path, epoch: int, boot_record: Path | None) -> None:
    date = datetime.fromtimestamp(epoch, UTC).strftime("%Y%m%d%H%M%S00")
    bios = [
        *("-b", "boot/grub/eltorito.img", "-no-emul-boot", "-boot-load-size", "4"),
        *("-boot-info-table", "--grub2-boot-info", "--grub2-mbr", str(boot_record)),
    ]
    uefi = ["--efi-boot", "boot/grub/efi.img", "-efi-boot-part", "--efi-boot-image"]
    run_isolated(
        [
            *("xorriso", "-as", "mkisofs", "-quiet", "-r", "-J", "-joliet-long", "-V", VOLUME),
            *("-c", "boot/grub/boot.catalog"),
            *(bios if boot_record else ()),
            *uefi,
            *(f"--modification-date={date}", "--set_all_file_dates", date),
            *("-o", str(output), str(tree)),
        ],
        environment={"SOURCE_DATE_EPOCH": str(epoch)},
    )


def _packages(root: Path) -> dict[str, str]:
    lines = [
        line
        for name in ("installed", "unpacked")
        for line in (root / "boot" / name).read_text(encoding="ascii").splitlines()
    ]
    return dict(line.split("\t") for line in sorted(lines))


def _content_id(tree: Path) -> str:
    """Return the digest of all that the medium boots and runs."""
    digest = hashlib.sha256()
    for path in sorted(found for found in tree.rglob("*") if found.is_file()):
        with open(path, "rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(tree)} {content}\n".encode())
    return digest.hexdigest()

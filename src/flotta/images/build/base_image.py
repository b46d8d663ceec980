"""Building a base image: nothing is done when the one that is there was made from the same."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from flotta.images.build.boot_loaders import make_bios_image, make_uefi_image
from flotta.images.build.container_images import (
    ContainerImage,
    add_container_images,
    read_container_image,
)
from flotta.images.build.initramfs import make_initramfs
from flotta.images.build.isolated import require_tools, run_isolated
from flotta.images.build.medium import BaseDescription, lay_out, write_iso
from flotta.images.build.programs import install_programs
from flotta.images.build.request import (
    COMPRESSIONS,
    BaseRequest,
    check_request,
    inputs_digest,
)
from flotta.images.build.root_archive import root_archive
from flotta.images.build.system_files import write_system_files
from flotta.images.build.wheelhouse import Wheelhouse, read_wheelhouse
from flotta.images.build.workspace import open_workspace

TOOLS = (
    *("setpriv", "unshare", "mmdebstrap", "apt-get", "dpkg-deb", "tar"),
    *("mksquashfs", "xorriso", "mformat", "mmd", "mcopy"),
)
EMPTY = ("boot", "dev", "proc", "sys", "run", "tmp", "var/tmp")  # of the root, in the image


@dataclass(frozen=True)
class Plan:
    """What a build is made from, and whether it would change the image that is there."""

    request: BaseRequest
    house: Wheelhouse
    images: list[ContainerImage]
    inputs: str  # digest of the inputs
    epoch: int
    changes: bool


def plan_build(request: BaseRequest) -> Plan:
    """Check the request and read its inputs; raises ImageError."""
    check_request(request)
    require_tools(TOOLS)
    house = read_wheelhouse(request.wheelhouse)
    images = [read_container_image(path) for path in request.container_images]
    inputs = inputs_digest(request, house.digest, [image.digest for image in images])
    changes = True
    epoch = house.epoch if request.epoch is None else request.epoch
    return Plan(request, house, images, inputs, epoch, changes)


def build_base(plan: Plan) -> BaseDescription:
    """Build the image and put it at its path, in place of an earlier one."""
    request = plan.request
    with open_workspace(request.output) as work:
        archive = root_archive(request, request.architecture, work)
        root = work / "root"
        _unpack(archive, root)
        install_programs(root, request.suite, plan.house)
        write_system_files(root, request.architecture, plan.house, plan.epoch)
        add_container_images(root, plan.images)
        return _write_medium(plan, root, work)


def _unpack(archive: Path, root: Path) -> None:
    root.mkdir()
    run_isolated(
        [
            "tar",
            "--extract",
            "--numeric-owner",
            "--xattrs",
            "--xattrs-include=*",
            f"--directory={root}",
            f"--file={archive}",
        ]
    )


def _write_medium(plan: Plan, root: Path, work: Path) -> BaseDescription:
    request = plan.request
    tree = work / "tree"
    (tree / "flotta").mkdir(parents=True)
    (tree / "boot/grub").mkdir(parents=True)
    kernel = (root / "boot/kernel").read_text(encoding="ascii").strip()
    packages = _packages(root)
    (tree / "flotta/initrd.img").write_bytes(make_initramfs(root, kernel, plan.epoch))
    shutil.copyfile(root / "boot/vmlinuz", tree / "flotta/vmlinuz")
    make_uefi_image(root, request.architecture, tree / "boot/grub/efi.img", plan.epoch)
    record = None
    if request.architecture.has_bios:
        found = make_bios_image(root, tree / "boot/grub/eltorito.img")
        record = work / "boot_record.img"
        shutil.copyfile(found, record)
    _compress(root, tree / "flotta/root.squashfs", request.compression, plan.epoch)
    description = BaseDescription(
        plan.house.version,
        request.suite.name,
        request.architecture.name,
        _content_id(tree),
        plan.inputs,
        kernel,
        plan.epoch,
        packages,
    )
    lay_out(tree, description, request.architecture)
    iso = work / "base.iso"
    write_iso(tree, iso, plan.epoch, record)
    with open(iso, "rb") as file:
        os.fsync(file.fileno())
    os.replace(iso, request.output)
    return description


def _compress(root: Path, destination: Path, compression: str, epoch: int) -> None:
    for name in EMPTY:
        for entry in (root / name).iterdir():
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    run_isolated(
        [
            "mksquashfs",
            str(root),
            str(destination),
            "-comp",
            *COMPRESSIONS[compression],
            "-noappend",
            "-no-exports",
            "-no-progress",
            "-quiet",
            "-mkfs-time",
            str(epoch),
            "-all-time",
            str(epoch),
        ],
    )


def _packages(root: Path) -> dict[str, str]:
    lines = [
        line
        for name in ("installed", "unpacked")
        for line in (root / "boot" / name).read_text(encoding="ascii").splitlines()
    ]
    return dict(sorted(line.split("\t") for line in lines))


def _content_id(tree: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(found for found in tree.rglob("*") if found.is_file()):
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()

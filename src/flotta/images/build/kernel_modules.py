"""The modules of the kernel that find the medium, and those that they need."""

from __future__ import annotations

import fnmatch
import lzma
from collections.abc import Iterable, Iterator
from pathlib import Path

# Patterns of paths below /usr/lib/modules/RELEASE, without the end of a compressed file. A driver
# is loaded only where the hardware says its name (modules.alias).
WANTED = (
    "kernel/drivers/ata/a*.ko",
    "kernel/drivers/ata/libata.ko",
    "kernel/drivers/ata/pata_*.ko",
    "kernel/drivers/ata/sata_*.ko",
    "kernel/drivers/block/loop.ko",
    "kernel/drivers/block/virtio_blk.ko",
    "kernel/drivers/block/xen-blkfront.ko",
    "kernel/drivers/hv/hv_vmbus.ko",
    "kernel/drivers/mmc/core/mmc_block.ko",
    "kernel/drivers/mmc/host/*.ko",
    "kernel/drivers/nvme/host/nvme.ko",
    "kernel/drivers/pci/controller/*.ko",
    "kernel/drivers/phy/*.ko",
    "kernel/drivers/phy/*/*.ko",
    "kernel/drivers/scsi/hv_storvsc.ko",
    "kernel/drivers/scsi/sd_mod.ko",
    "kernel/drivers/scsi/sr_mod.ko",
    "kernel/drivers/scsi/virtio_scsi.ko",
    "kernel/drivers/scsi/vmw_pvscsi.ko",
    "kernel/drivers/scsi/megaraid/megaraid_sas.ko",
    "kernel/drivers/scsi/mpt3sas/mpt3sas.ko",
    "kernel/drivers/message/fusion/mptspi.ko",
    "kernel/drivers/message/fusion/mptsas.ko",
    "kernel/drivers/usb/dwc?/*.ko",
    "kernel/drivers/usb/host/*hci*.ko",
    "kernel/drivers/usb/storage/uas.ko",
    "kernel/drivers/usb/storage/usb-storage.ko",
    "kernel/drivers/virtio/virtio_mmio.ko",
    "kernel/drivers/virtio/virtio_pci.ko",
    "kernel/fs/ext4/ext4.ko",
    "kernel/fs/fat/vfat.ko",
    "kernel/fs/isofs/isofs.ko",
    "kernel/fs/nls/nls_ascii.ko",
    "kernel/fs/nls/nls_cp437.ko",
    "kernel/fs/nls/nls_iso8859-1.ko",
    "kernel/fs/nls/nls_utf8.ko",
    "kernel/fs/overlayfs/overlay.ko",
    "kernel/fs/squashfs/squashfs.ko",
    "kernel/arch/*/crypto/crc32c*.ko",
    "kernel/crypto/crc32c*.ko",
)


def needed_modules(folder: Path) -> dict[str, bytes]:
    """Return the files for `folder`, the modules of one kernel: path in it to content.

    Modules are decompressed. With them come those that they depend on, as depmod found out, and
    the indexes by which modprobe finds both.
    """
    depends = _read_depends(folder / "modules.dep")
    wanted = {path for path in depends if _is_wanted(path)}
    for path in list(wanted):
        wanted.update(depends[path])
    contents = {_plain(path): _content(folder / path) for path in sorted(wanted)}
    names = {Path(path).stem.replace("-", "_") for path in contents}
    contents["modules.dep"] = "".join(
        f"{_plain(path)}: {' '.join(_plain(needed) for needed in depends[path])}\n"
        for path in sorted(wanted)
    ).encode()
    contents["modules.alias"] = "".join(_aliases(folder, names)).encode()
    return contents


def _read_depends(path: Path) -> dict[str, list[str]]:
    lines = path.read_text(encoding="ascii").splitlines()
    pairs = (line.partition(":") for line in lines)
    return {module: needed.split() for module, _, needed in pairs}


def _is_wanted(path: str) -> bool:
    return any(fnmatch.fnmatch(_plain(path), pattern) for pattern in WANTED)


def _plain(path: str) -> str:
    return path.removesuffix(".xz")


def _content(path: Path) -> bytes:
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def _aliases(folder: Path, names: Iterable[str]) -> Iterator[str]:
    with open(folder / "modules.alias", encoding="ascii") as lines:
        for line in lines:
            if line.startswith("alias ") and line.split()[-1] in names:
                yield line

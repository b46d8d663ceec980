"""Bases of a few hundred KiB, as fast to make as a test needs them; nothing in them boots."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path

from flotta.identity.authority import Authority
from flotta.images.base_record import AREA, AREA_SIZE, PATH, BaseRecord, dump_record

KERNELS = {
    "amd64": b"\0" * 0x202 + b"HdrS" + b"\0" * 0x30 + b"\x01" + b"\0" * 0x200,
    "arm64": b"\0" * 0x38 + b"ARM\x64" + b"\0" * 0x400,
}
BOOT = {
    "bios": ("-b", "boot/bios.img", "-no-emul-boot", "-boot-load-size", "4"),
    "uefi": ("-e", "boot/efi.img", "-no-emul-boot"),
}


def make_iso(
    path: Path,
    files: Mapping[str, bytes],
    firmware: Sequence[str] = ("bios", "uefi"),
    volume_id: str = "TEST",
) -> Path:
    """Write an ISO with these files, by path, and boot images of these kinds."""
    tree = path.with_name(f"{path.name}.tree")
    images = {"/boot/bios.img": b"\xeb\xfe" * 1024, "/boot/efi.img": b"FAT" * 4096}
    for name, content in {**images, **files}.items():
        place = tree / name.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    entries: list[str] = []
    for kind in firmware:
        entries += [*(["-eltorito-alt-boot"] if entries else []), *BOOT[kind]]
    command = ["xorriso", "-as", "mkisofs", "-quiet", "-r", "-V", volume_id, *entries]
    subprocess.run([*command, "-o", path, tree], check=True, capture_output=True)
    return path


def make_base(
    path: Path,
    architecture: str = "amd64",
    firmware: Sequence[str] = ("bios", "uefi"),
    area: int = AREA_SIZE,
    padding: int = 0,
) -> Path:
    """Write a base of ours; `padding` are bytes of a file that only takes space."""
    record = BaseRecord(
        format=1,
        kind="flotta-live",
        release="0.2.0",
        suite="bookworm",
        architecture=architecture,
        content_id=sha256(f"{architecture}{area}{padding}".encode()).hexdigest(),
    )
    files = {
        PATH: dump_record(record),
        AREA: bytes(area),
        "/flotta/vmlinuz": KERNELS[architecture],
        "/flotta/root.squashfs": b"squashfs" * (padding // 8),
    }
    return make_iso(path, files, firmware, "FLOTTA_LIVE")


@dataclass(frozen=True)
class Fleet:
    """The CA of a fleet, and a registration certificate of it, PEM."""

    authority: Authority
    ca: str
    certificate: str
    key: str

    def settings(self, **others: object) -> dict[str, object]:
        """Return settings that are enough for a medium, with others."""
        return {
            "server": "edge.example:8043",
            "ca": self.ca,
            "certificate": self.certificate,
            "key": self.key,
            **others,
        }


@cache
def fleet(namespaces: tuple[str, ...] = ("default",), days: int = 30) -> Fleet:
    """Return a fleet whose registration certificate is valid for so many days."""
    authority = Authority.create("Test CA")
    until = datetime.now(UTC) + timedelta(days=days)
    pair = authority.issue_registration(namespaces, until=until)
    return Fleet(
        authority, authority.certificate_pem.decode(), pair.certificate.decode(), pair.key.decode()
    )

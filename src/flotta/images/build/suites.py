"""The releases of Debian from which base images are built."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Suite:
    """A release of Debian: the name of its suite, and its first day as a Unix time.

    No file of the packages gets a later time than `epoch`, so that equal packages give equal
    images.
    """

    name: str
    version: str
    python: str  # major.minor
    epoch: int


BOOKWORM = Suite("bookworm", "12", "3.11", 1686355200)  # 2023-06-10
TRIXIE = Suite("trixie", "13", "3.13", 1754697600)  # 2025-08-09
SUITES = {known.name: known for known in (BOOKWORM, TRIXIE)}

# In every base image; options add others.
PACKAGES = (
    "systemd-sysv",
    "systemd-resolved",
    "systemd-timesyncd",
    "udev",
    "kmod",
    "dbus",
    "python3",
    "podman",
    "crun",
    "conmon",
    "netavark",
    "aardvark-dns",
    "catatonit",
    "iptables",
    "nftables",
    "iproute2",
    "procps",
    "ca-certificates",
    "openssl",
    "iwd",
    "wireless-regdb",
    "openssh-server",
    "fdisk",
    "e2fsprogs",
    "dosfstools",
)
# Unpacked while the image is built, and in no image.
BUILD_PACKAGES = ("busybox-static", "python3-pip-whl")

"""Debian's installer as an ISO, and the system that it installs, as its packages make them.

The installer is that of Debian's package for network boot, in a tree like that of a netinst ISO.
What it downloads besides (udebs) is not on every mirror of packages.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

from flotta.images.bases.debian_installer import PACKAGES
from flotta.images.iso.iso9660 import open_iso
from flotta.payload.cpio import read_archive
from images.materials import IMAGES
from pods.materials import once

PACKAGE = "debian-installer-12-netboot-amd64"
FILES = "usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64"
VOLUME = "Debian 12.11.0 amd64 n"
INFO = 'Debian GNU/Linux 12.11.0 "Bookworm" - NETINST of the tests\n'
GRUB = """\
set timeout=0
serial --unit=0 --speed=115200
terminal_output serial
menuentry 'Install' {
    linux    /install.amd/vmlinuz console=ttyS0,115200 --- quiet
    initrd   /install.amd/initrd.gz
}
"""


def netinst() -> Path:
    """Return an installer ISO that starts without a person and talks on the serial line."""
    path = IMAGES / "netinst-bookworm.iso"
    with once(path) as new:
        if new:
            work = IMAGES / f".netinst.{os.getpid()}"
            try:
                _make_netinst(work, new)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return path


def _make_netinst(work: Path, path: Path) -> None:
    lists, tree = work / "lists", work / "tree"
    (lists / "partial").mkdir(parents=True)
    apt = ["apt-get", "-qq", "-o", f"Dir::State::lists={lists}", "-o", "APT::Sandbox::User=root"]
    for words in (["update"], ["download", PACKAGE]):
        subprocess.run([*apt, *words], cwd=work, check=True)
    [package] = work.glob(f"{PACKAGE}_*.deb")
    subprocess.run(["dpkg-deb", "-x", package, work / "package"], check=True)
    contents = {
        "install.amd/vmlinuz": (work / "package" / FILES / "linux").read_bytes(),
        "install.amd/initrd.gz": (work / "package" / FILES / "initrd.gz").read_bytes(),
        ".disk/info": INFO.encode(),
        "boot/grub/grub.cfg": GRUB.encode(),
    }
    for name, content in contents.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    command = ["grub-mkrescue", "-o", path, tree, "--", "-volid", VOLUME]
    subprocess.run(command, check=True, capture_output=True)


def installed_root(folder: Path) -> Path:
    """Return a new directory with what the installer has installed before its late command."""
    packed = IMAGES / "installed-bookworm.tar"
    with once(packed) as new:
        if new:
            command = ["mmdebstrap", "--quiet", "--variant=important", "--format=tar"]
            no_more = "--aptopt=APT::Install-Recommends false"
            included = f"--include={','.join([*PACKAGES, 'openssh-server'])}"
            subprocess.run([*command, no_more, included, "bookworm", new], check=True)
    root = folder / "target"
    root.mkdir()
    subprocess.run(["tar", "-x", "-C", root, "-f", packed, "--exclude=./dev/*"], check=True)
    return root


def unpack_initrds(iso: Path, folder: Path) -> None:
    """Unpack what the kernel unpacks of a personalised installer beside its own initrd."""
    with open_iso(iso) as opened:
        for path in ("/flotta/agent.img", "/flotta/payload.img"):
            record = opened.find(path)
            assert record is not None
            data = opened.read_at(record.extent.offset, record.extent.size)
            for entry in read_archive(data):
                place = folder / entry.name
                if stat.S_ISDIR(entry.mode):
                    place.mkdir()
                else:
                    place.write_bytes(entry.content)
                place.chmod(stat.S_IMODE(entry.mode))

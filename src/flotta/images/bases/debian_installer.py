"""Debian's installer: netinst, DVD and mini.iso, with isolinux or GRUB.

What a preseed answers and what it leaves to the person at the screen is in
docs/reference/images.md#debians-installer.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2

from flotta.images.base_record import AREA
from flotta.images.bases.agent_archive import make_agent_archive
from flotta.images.bases.base import Preparation
from flotta.images.build.suites import SUITES
from flotta.images.errors import ImageError
from flotta.images.iso.architecture import MACHINE_NAMES, find_architecture
from flotta.images.iso.boot_configuration import edit_checksums, edit_grub, edit_isolinux
from flotta.images.iso.iso9660 import Iso
from flotta.images.settings.fields import invalid
from flotta.images.settings.installer import InstallerSettings
from flotta.images.settings.medium import Settings
from flotta.payload.personalisation import NetworkProfile, Personalisation
from flotta.payload.tree import PayloadFile
from flotta.printable_text import printable
from flotta.protocol.reasons.images import BASE_UNKNOWN

AGENT = "/flotta/agent.img"
PRESEED = "/preseed.cfg"  # where the installer looks for it
INFO = "/.disk/info"
# Kernels of netinst and DVD, of mini.iso, and of the directories for network boot.
KERNELS = (
    "/install.amd/vmlinuz",
    "/install.a64/vmlinuz",
    "/linux",
    "/debian-installer/amd64/linux",
    "/debian-installer/arm64/linux",
)
INITRD = "initrd.gz"  # beside the kernel
GRUB_FOLDERS = ("/boot/grub", "/boot/grub/x86_64-efi", "/boot/grub/arm64-efi", "/EFI/debian")
ISOLINUX_FOLDERS = ("/isolinux", "/")
CHECKSUMS = "/md5sum.txt"  # by which its menu checks the medium
MAX_CONFIGURATIONS = 64  # in a folder
MAX_CONFIGURATION = 1024 * 1024  # bytes
SUITE = re.compile(r'"(\w+)"')
# What the agent needs and the installer does not install by itself.
PACKAGES = (
    *("python3", "python3-venv", "podman", "crun", "netavark", "aardvark-dns", "catatonit"),
    *("nftables", "iptables", "ca-certificates", "openssl", "systemd-timesyncd"),
)
NAME = "flotta"  # of a host that has no other


class DebianInstaller:
    """An installer that gets its answers and the agent as further initrds."""

    kind = "debian-installer"
    extra_paths = frozenset({PRESEED})

    def recognises(self, iso: Iso) -> bool:
        """Tell whether an ISO has the kernel and initrd of the installer, and says Debian."""
        info = (iso.read(INFO) or b"").decode(errors="replace")
        named = "Debian" in info or iso.volume_id.startswith(("Debian", "ISOIMAGE"))
        return named and any(_initrd_of(iso, kernel) for kernel in KERNELS)

    def architecture(self, iso: Iso) -> str | None:
        """Return the architecture of its kernel."""
        return find_architecture(iso, KERNELS)

    def prepare(self, iso: Iso, wheelhouse: Path | None) -> Preparation:
        """Return the archive of the agent, and the boot configurations that load it."""
        if wheelhouse is None:
            raise invalid("wheelhouse", "is missing; the installed system needs the programs")
        configurations = dict(_edited(iso))
        if not configurations:
            raise ImageError(
                BASE_UNKNOWN,
                f"{iso.path} has no configuration of GRUB or isolinux that loads an initrd. Use "
                "the netinst ISO of Debian.",
            )
        suite = _suite_of(iso)
        python = SUITES[suite].python if suite else ""
        machine = MACHINE_NAMES.get(self.architecture(iso) or "", "")
        archive, release = make_agent_archive(wheelhouse, machine, python)
        sums = edit_checksums(iso.read(CHECKSUMS) or b"", configurations)
        files = {**configurations, **({CHECKSUMS: sums} if sums else {}), AGENT: archive}
        return Preparation(files, release, suite)

    def additions(self, settings: Settings) -> Sequence[PayloadFile]:
        """Return the preseed."""
        wanted, installer = settings.personalisation, settings.installer or InstallerSettings()
        _require_possible(wanted)
        preseed = _render(_variables(wanted, installer))
        return [PayloadFile(PRESEED, preseed.encode(), 0o600, secret=True)]


def _suite_of(iso: Iso) -> str:
    """Return the suite of an installer, "" of one that does not say it (mini.iso).

    Raises ImageError for one whose Python cannot run the programs.
    """
    named = SUITE.search((iso.read(INFO) or b"").decode(errors="replace"))
    suite = named[1].lower() if named else ""
    if suite and suite not in SUITES:
        known = " and ".join(f"{item.version} ({item.name})" for item in SUITES.values())
        raise ImageError(
            BASE_UNKNOWN,
            f"{iso.path} is the installer of Debian {printable(suite)}, in which the programs do "
            f"not run. Use that of Debian {known}.",
        )
    return suite


def _initrd_of(iso: Iso, kernel: str) -> str:
    """Return the initrd beside a kernel, "" if one of both is not there."""
    initrd = f"{kernel.rpartition('/')[0]}/{INITRD}"
    return initrd if iso.find(kernel) and iso.find(initrd) else ""


def _edited(iso: Iso) -> Iterator[tuple[str, bytes]]:
    """Yield the boot configurations that load an initrd, with the further ones."""
    for folders, edit in ((GRUB_FOLDERS, edit_grub), (ISOLINUX_FOLDERS, edit_isolinux)):
        for folder in folders:
            for name, content in _configurations(iso, folder):
                # Every byte is kept, whatever its encoding.
                text = content.decode("latin-1")
                changed = edit(text, [AGENT, AREA])
                if changed != text:
                    yield f"{folder.rstrip('/')}/{name}", changed.encode("latin-1")


def _configurations(iso: Iso, folder: str) -> Iterator[tuple[str, bytes]]:
    """Yield names and contents of the files in a folder that may be boot configurations."""
    found = [
        record
        for record in iso.list_directory(folder)
        if record.name.endswith(".cfg") and not record.is_directory
    ]
    if len(found) > MAX_CONFIGURATIONS or any(
        record.extent.size > MAX_CONFIGURATION for record in found
    ):
        raise ImageError(
            BASE_UNKNOWN,
            f"{iso.path} has more or larger boot configurations than an installer of Debian. Use "
            "the netinst ISO of Debian.",
        )
    for record in found:
        yield record.name, iso.read_at(record.extent.offset, record.extent.size)


def _require_possible(wanted: Personalisation) -> None:
    """Raise ImageError for settings that only a live system carries out."""
    if wanted.wireless:
        raise invalid("wifi", "is not possible with an installer; answer netcfg in installer.extra")
    if wanted.state_disk:
        raise invalid("state_disk", "is for a live system; set installer.disk")
    if len(wanted.networks) > 1 or any(item.mac or item.vlan for item in wanted.networks):
        raise invalid(
            "network", "may have one interface by its name, without vlan, in an installer"
        )
    for profile in wanted.networks:
        if len(profile.addresses) > 1 or len(profile.gateways) > 1:
            raise invalid("network[0]", "may have one address and one gateway in an installer")
        if profile.dns and not profile.addresses:
            raise invalid("network[0].dns", "needs an address in an installer; DHCP gives its own")
        if profile.addresses and set("*?") & set(profile.interface):
            raise invalid("network[0].interface", "needs its whole name for an address")


def _variables(wanted: Personalisation, installer: InstallerSettings) -> Mapping[str, Any]:
    profile = wanted.networks[0] if wanted.networks else NetworkProfile("auto")
    address = ipaddress.ip_interface(profile.addresses[0]) if profile.addresses else None
    server = ("openssh-server",) if wanted.ssh_keys else ()
    return {
        "installer": installer,
        "hostname": installer.hostname or wanted.device_id.partition(".")[0] or NAME,
        "interface": "auto" if set("*?") & set(profile.interface) else profile.interface,
        "address": address,
        "gateway": " ".join(profile.gateways),
        "nameservers": " ".join(profile.dns),
        "packages": [*PACKAGES, *server, *installer.packages],
        "extra": installer.extra.decode(errors="replace"),
    }


def _render(variables: Mapping[str, Any]) -> str:
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - it is not HTML
    )
    template = files(__package__).joinpath("data", "preseed.cfg.j2").read_text(encoding="utf-8")
    return environment.from_string(template).render(variables)

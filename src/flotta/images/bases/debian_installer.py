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
from flotta.images.errors import ImageError
from flotta.images.iso.architecture import find_architecture
from flotta.images.iso.boot_configuration import edit_grub, edit_isolinux
from flotta.images.iso.iso9660 import Iso
from flotta.images.settings.fields import invalid
from flotta.images.settings.installer import InstallerSettings
from flotta.images.settings.medium import Settings
from flotta.payload.personalisation import NetworkProfile, Personalisation
from flotta.payload.tree import PayloadFile
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
        archive, release = make_agent_archive(wheelhouse)
        suite = SUITE.search((iso.read(INFO) or b"").decode(errors="replace"))
        return Preparation(
            {**configurations, AGENT: archive}, release, suite[1].lower() if suite else ""
        )

    def additions(self, settings: Settings) -> Sequence[PayloadFile]:
        """Return the preseed."""
        wanted, installer = settings.personalisation, settings.installer or InstallerSettings()
        _require_possible(wanted)
        preseed = _render(_variables(wanted, installer))
        return [PayloadFile(PRESEED, preseed.encode(), 0o600, secret=True)]


def _initrd_of(iso: Iso, kernel: str) -> str:
    """Return the initrd beside a kernel, "" if one of both is not there."""
    initrd = f"{kernel.rpartition('/')[0]}/{INITRD}"
    return initrd if iso.find(kernel) and iso.find(initrd) else ""


def _edited(iso: Iso) -> Iterator[tuple[str, bytes]]:
    """Yield the boot configurations that load an initrd, with the further ones."""
    for folders, edit in ((GRUB_FOLDERS, edit_grub), (ISOLINUX_FOLDERS, edit_isolinux)):
        for folder in folders:
            for record in iso.list_directory(folder):
                path = f"{folder.rstrip('/')}/{record.name}"
                if record.is_directory or not record.name.endswith(".cfg"):
                    continue
                # Every byte is kept, whatever its encoding.
                text = (iso.read(path) or b"").decode("latin-1")
                changed = edit(text, [AGENT, AREA])
                if changed != text:
                    yield path, changed.encode("latin-1")


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

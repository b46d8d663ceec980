"""Debian's installer with a preseed and the agent: as it boots, and what it leaves behind."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from flotta.images.build.suites import BOOKWORM
from flotta.images.personalise.outputs import Output, personalise
from flotta.images.personalise.prepared import BaseFile
from flotta.images.personalise.sources import open_source
from flotta.images.settings.medium import parse_settings
from images.installers import installed_root, netinst, unpack_initrds
from images.materials import IMAGES, wheelhouse
from images.qemu import Cd, Disk, Firmware, Machine, Medium, UsbStick, make_disk, make_stick
from small_iso import fleet

pytestmark = [pytest.mark.deep, pytest.mark.timeout(1800)]  # QEMU, and packages from a mirror
SEEN = "answers and programs are there"
LOOK = f"test -s /flotta-agent/release -a -s /flotta/manifest.json && echo {SEEN} >/dev/ttyS0"


def personalised(path: Path, **settings: object) -> Path:
    base = BaseFile(netinst(), wheelhouse=wheelhouse(BOOKWORM), cache=IMAGES / "prepared")
    with open_source(base) as source:
        wanted = parse_settings(fleet().settings(device_id="till-1", **settings))
        personalise(source, Output(path, wanted))
    return path


@pytest.mark.parametrize("way", ["stick by BIOS", "CD by UEFI"])
def test_the_installer_asks_nothing_that_is_answered(way: str, tmp_path: Path) -> None:
    extra = f"d-i preseed/early_command string {LOOK}\n"
    iso = personalised(tmp_path / "di.iso", installer={"mirror": "10.0.2.2:9", "extra": extra})
    by_bios = way == "stick by BIOS"
    medium: Medium = UsbStick(make_stick(iso, tmp_path / "stick")) if by_bios else Cd(iso)
    firmware = Firmware.BIOS if by_bios else Firmware.UEFI
    disk = make_disk(tmp_path / "disk")

    with Machine(tmp_path / "pc", [medium, Disk(disk)], firmware) as pc:
        pc.wait_for(SEEN)
        pc.wait_for("Bad archive mirror")  # after language, keyboard, network and name of the host
        assert "Select a language" not in pc.console()
        assert "Please enter the hostname" not in pc.console()
    assert not any(disk.read_bytes()[: 1 << 20])


def test_what_it_leaves_behind_is_a_device(tmp_path: Path) -> None:
    iso = personalised(
        tmp_path / "di.iso",
        address="192.0.2.1",
        labels={"site": "berlin"},
        ssh_authorized_keys=["ssh-ed25519 AAAA admin"],
    )
    target = installed_root(tmp_path)
    (tmp_path / "initrd").mkdir()
    unpack_initrds(iso, tmp_path / "initrd")
    hosts = (target / "etc/hosts").read_text() if (target / "etc/hosts").exists() else ""

    run_late_command(tmp_path, target)

    assert not (target / "var/tmp/flotta").exists()
    key = (target / "etc/pki/consumer/key.pem").stat()
    owners = (target / "etc/passwd").read_text()
    assert f"flotta-gateway:x:{key.st_uid}:" in owners
    assert stat.S_IMODE(key.st_mode) == 0o600
    assert (target / "etc/hosts").read_text() == f"{hosts}192.0.2.1 edge.example\n"
    wanted = target / "etc/systemd/system/multi-user.target.wants"
    assert {"flotta-gateway.service", "flotta-device-worker.service"} <= set(os.listdir(wanted))
    assert stat.S_IMODE((target / "root/.ssh/authorized_keys").stat().st_mode) == 0o600
    read = (
        "from pathlib import Path; from flotta.gateway.settings import load_settings;"
        "s = load_settings(Path('/etc/yggdrasil/config.toml'), Path('/etc/yggdrasil/tags.toml'));"
        "print(s.device_id, s.server)"
    )
    python = ["chroot", target, "/opt/flotta/current/bin/python", "-c", read]
    done = subprocess.run(python, capture_output=True, text=True, check=True)
    assert done.stdout == "till-1 edge.example:8043\n"


def run_late_command(folder: Path, target: Path) -> None:
    """Run late.sh as the installer does; its paths are below a directory here."""
    programs = folder / "programs"
    programs.mkdir()
    mounts = f"mount -t proc proc {target}/proc && mount -t sysfs sysfs {target}/sys"
    inside = f'exec unshare --mount sh -c \'{mounts} && exec chroot {target} "$@"\' sh "$@"'
    (programs / "in-target").write_text(f"#!/bin/sh\n{inside}\n")
    (programs / "in-target").chmod(0o755)
    script = (folder / "initrd/flotta-agent/late.sh").read_text()
    script = script.replace("/target", str(target)).replace(" /flotta", f" {folder}/initrd/flotta")
    environment = {"PATH": f"{programs}:{os.environ['PATH']}"}
    subprocess.run(["sh", "-eu", "-c", script], env=environment, check=True)

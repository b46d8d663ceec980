"""Debian's installer as a base: prepared once, then personalised like any other."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from flotta.images.errors import ImageError
from flotta.images.iso.iso9660 import open_iso
from flotta.images.personalise.medium import read_medium
from flotta.images.personalise.opened_base import Demands
from flotta.images.personalise.outputs import Output, personalise
from flotta.images.personalise.prepared import BaseFile
from flotta.images.personalise.show import show
from flotta.images.personalise.sources import open_source
from flotta.images.settings.medium import parse_settings
from flotta.payload.cpio import read_archive
from loop_devices import loop_device
from small_iso import KERNELS, fleet, make_base, make_iso
from waiting import wait_until

GRUB = "menuentry 'Install' {\n linux /install.amd/vmlinuz --- quiet\n initrd {0}\n}\n"
ISOLINUX = "label install\n kernel /install.amd/vmlinuz\n append vga=788 initrd={0} --- quiet\n"
INITRD = "/install.amd/initrd.gz"
SUMS = f"{{0}}  ./isolinux/txt.cfg\n{'1' * 32}  ./isolinux/f1.txt\n"


@pytest.fixture(scope="module")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an archive with one wheel, and the requirements of each extra."""
    return make_wheelhouse(tmp_path_factory.mktemp("wheels") / "wheelhouse.tar")


def make_wheelhouse(path: Path, *others: str) -> Path:
    """Write an archive with the wheel of the programs and others of these names, empty."""
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("flotta/__init__.py", "")
    files = {"flotta_edge-0.2.0-py3-none-any.whl": wheel.getvalue()}
    files |= dict.fromkeys(others, b"")
    files |= {f"{extra}.txt": b"# locked\n" for extra in ("device", "images", "sync")}
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture(scope="module")
def netinst(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_iso(
        tmp_path_factory.mktemp("netinst") / "netinst.iso",
        {
            "/install.amd/vmlinuz": KERNELS["amd64"],
            INITRD: b"initrd",
            "/.disk/info": b'Debian GNU/Linux 12.11.0 "Bookworm" - Official amd64 NETINST',
            "/boot/grub/grub.cfg": GRUB.replace("{0}", INITRD).encode(),
            "/isolinux/txt.cfg": ISOLINUX.replace("{0}", INITRD).encode(),
            "/isolinux/f1.txt": b"append initrd=/install.amd/initrd.gz",
            "/md5sum.txt": SUMS.replace("{0}", "0" * 32).encode(),
        },
        volume_id="Debian 12.11.0 amd64 n",
    )


@pytest.fixture
def base(netinst: Path, wheelhouse: Path, tmp_path: Path) -> BaseFile:
    return BaseFile(netinst, Demands(), wheelhouse, tmp_path / "cache")


def write(base: BaseFile, path: Path, **options: object) -> str:
    """Personalise it; returns the preseed."""
    settings = parse_settings(fleet().settings(**options))
    with open_source(base) as source:
        personalise(source, Output(path, settings))
    with open_iso(path) as iso:
        medium = read_medium(iso)
    assert medium is not None
    assert medium.payload is not None
    [preseed] = medium.payload.others
    assert (preseed.path, preseed.mode) == ("/preseed.cfg", 0o600)
    return preseed.content.decode()


def test_it_loads_the_agent_and_the_settings_as_further_initrds(
    base: BaseFile, tmp_path: Path
) -> None:
    write(base, tmp_path / "out.iso")

    with open_iso(tmp_path / "out.iso") as iso:
        initrds = f"{INITRD} /flotta/agent.img /flotta/payload.img"
        assert iso.read("/boot/grub/grub.cfg") == GRUB.replace("{0}", initrds).encode()
        assert iso.read("/isolinux/txt.cfg") == (
            ISOLINUX.replace("{0}", initrds.replace(" ", ",")).encode()
        )
        assert iso.read("/isolinux/f1.txt") == b"append initrd=/install.amd/initrd.gz"
        agent = iso.read("/flotta/agent.img")
        menu = hashlib.md5(iso.read("/isolinux/txt.cfg") or b"", usedforsecurity=False)
        assert iso.read("/md5sum.txt") == SUMS.replace("{0}", menu.hexdigest()).encode()
    assert agent is not None
    names = {entry.name for entry in read_archive(agent)}
    assert "flotta-agent/wheels/flotta_edge-0.2.0-py3-none-any.whl" in names
    assert "flotta-agent/etc/systemd/system/flotta-gateway.service" in names
    shown = show(tmp_path / "out.iso")
    assert {entry.firmware for entry in shown.boot} == {"bios", "uefi"}
    assert shown.base is not None
    assert (shown.kind, shown.base.suite, shown.base.architecture) == (
        "debian-installer",
        "bookworm",
        "amd64",
    )


def test_it_is_prepared_once_and_to_the_same_bytes(base: BaseFile, tmp_path: Path) -> None:
    write(base, tmp_path / "one.iso")
    [kept] = list((tmp_path / "cache").iterdir())
    before = kept.stat()
    write(base, tmp_path / "two.iso")
    assert kept.stat().st_mtime_ns == before.st_mtime_ns
    assert (tmp_path / "one.iso").read_bytes() == (tmp_path / "two.iso").read_bytes()

    wait_until(lambda: time.time() > before.st_mtime + 2)  # no time of today is in it
    again = replace(base, cache=tmp_path / "again")
    write(again, tmp_path / "three.iso")
    assert (tmp_path / "again" / kept.name).read_bytes() == kept.read_bytes()
    write(BaseFile(kept), tmp_path / "four.iso")  # a prepared base needs nothing more
    assert (tmp_path / "four.iso").read_bytes() == (tmp_path / "one.iso").read_bytes()


def test_no_disk_is_partitioned_that_the_settings_do_not_name(
    base: BaseFile, tmp_path: Path
) -> None:
    without = write(base, tmp_path / "out.iso", installer={"locale": "de_DE.UTF-8"})
    assert "partman" not in without
    assert "bootdev" not in without
    assert "debian-installer/locale string de_DE.UTF-8" in without

    named = write(base, tmp_path / "out.iso", installer={"disk": "/dev/disk/by-id/ata-1"})
    assert "early_command string sh /flotta-agent/disk.sh /dev/disk/by-id/ata-1\n" in named
    assert "partman/confirm" not in named


def run_disk_script(folder: Path, disk: str, mounts: str) -> str:
    """Run disk.sh with programs and mounts of its own; returns what it answers."""
    script = Path(__file__).parents[3] / "src/flotta/images/bases/data/disk.sh"
    answers, table = folder / "answers.cfg", folder / "mounts"
    table.write_text(mounts)
    text = script.read_text().replace("/proc/mounts", str(table))
    text = text.replace("/tmp/flotta-disk.cfg", str(answers))
    text = text.replace("/sys/class/block", str(folder / "block"))
    for name in ("logger", "debconf-set-selections"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}"}
    subprocess.run(["sh", "-c", text, "disk.sh", disk], env=environment, check=True)
    return answers.read_text() if answers.exists() else ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a block device")
def test_the_script_answers_only_for_a_disk_that_is_there_and_not_the_medium(
    tmp_path: Path,
) -> None:
    disk = tmp_path / "sdz"
    os.mknod(disk, 0o60600, os.makedev(7, 250))
    (tmp_path / "block" / "sdz").mkdir(parents=True)
    (tmp_path / "by-id").symlink_to(disk)

    assert f"partman-auto/disk string {disk}\n" in run_disk_script(
        tmp_path, str(tmp_path / "by-id"), "/dev/sr0 /cdrom iso9660 ro 0 0\n"
    )
    (tmp_path / "answers.cfg").unlink()
    os.mknod(tmp_path / "sdz1", 0o60600, os.makedev(7, 251))
    assert run_disk_script(tmp_path, str(disk), f"{disk}1 /cdrom iso9660 ro 0 0\n") == ""
    assert run_disk_script(tmp_path, str(disk), f"{disk} /cdrom iso9660 ro 0 0\n") == ""
    assert run_disk_script(tmp_path, str(tmp_path / "missing"), "") == ""
    (tmp_path / "file").touch()
    assert run_disk_script(tmp_path, str(tmp_path / "file"), "") == ""
    (tmp_path / "block" / "sdz1").mkdir()
    (tmp_path / "block" / "sdz1" / "partition").write_text("1")
    assert run_disk_script(tmp_path, f"{disk}1", "") == ""
    assert run_disk_script(tmp_path, str(disk), "") != ""


def test_the_script_leaves_a_disk_alone_that_has_an_iso(netinst: Path, tmp_path: Path) -> None:
    with loop_device(netinst) as stick:  # mini.iso runs from memory, and mounts nothing
        (tmp_path / "block" / stick.name).mkdir(parents=True)
        assert run_disk_script(tmp_path, str(stick), "") == ""
    empty = tmp_path / "empty"
    empty.write_bytes(bytes(1 << 20))
    with loop_device(empty) as disk:
        (tmp_path / "block" / disk.name).mkdir(exist_ok=True)
        assert f"partman-auto/disk string {disk}\n" in run_disk_script(tmp_path, str(disk), "")


def test_settings_become_answers(base: BaseFile, tmp_path: Path) -> None:
    address = {"interface": "eth0", "addresses": ["192.0.2.7/24"], "gateways": ["192.0.2.1"]}
    preseed = write(
        base,
        tmp_path / "out.iso",
        device_id="till-1.berlin",
        network=[{**address, "dns": ["192.0.2.53", "192.0.2.54"]}],
        ssh_authorized_keys=["ssh-ed25519 AAAA admin"],
        installer={"packages": ["vim"], "power_off": True, "extra": "d-i a/b string c\n"},
    )
    lines = preseed.splitlines()
    assert "d-i netcfg/get_hostname string till-1" in lines
    assert "d-i netcfg/get_netmask string 255.255.255.0" in lines
    assert "d-i netcfg/get_nameservers string 192.0.2.53 192.0.2.54" in lines
    assert "d-i passwd/root-password-crypted password !" in lines
    assert "d-i debian-installer/exit/poweroff boolean true" in lines
    assert lines.index("d-i a/b string c") > lines.index("d-i netcfg/get_hostname string till-1")
    [include] = [line for line in lines if line.startswith("d-i pkgsel/include")]
    assert include.endswith("openssh-server vim")


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"wifi": [{"ssid": "shop"}]}, "wifi"),
        ({"state_disk": "/dev/sdb"}, "state_disk"),
        ({"network": [{"mac": "52:54:00:12:34:56"}]}, "network"),
        ({"network": [{"interface": "a"}, {"interface": "b"}]}, "network"),
        ({"network": [{"interface": "a", "addresses": ["192.0.2.1/24"] * 2}]}, "network[0]"),
        ({"network": [{"interface": "a", "dns": ["192.0.2.1"]}]}, "network[0].dns"),
        (
            {"network": [{"interface": "en*", "addresses": ["192.0.2.1/24"]}]},
            "network[0].interface",
        ),
    ],
)
def test_what_an_installer_cannot_do_is_refused(
    change: dict[str, object], path: str, base: BaseFile, tmp_path: Path
) -> None:
    with pytest.raises(ImageError, match="InvalidSettings") as caught:
        write(base, tmp_path / "out.iso", **change)
    assert str(caught.value).startswith(f"The setting {path} ")
    assert not (tmp_path / "out.iso").exists()


def test_other_bases_refuse_answers_for_an_installer(tmp_path: Path) -> None:
    ours = BaseFile(make_base(tmp_path / "base.iso"))
    for base in (ours, None):
        settings = parse_settings(fleet().settings(installer={}))
        with pytest.raises(ImageError, match="installer"), open_source(base) as source:
            personalise(source, Output(tmp_path / "out.iso", settings))


def test_a_wheelhouse_is_needed_and_has_to_be_whole(base: BaseFile, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="wheelhouse is missing"):
        write(replace(base, wheelhouse=None), tmp_path / "out.iso")
    (tmp_path / "empty.tar").write_bytes(b"")
    with pytest.raises(ImageError, match="InvalidSettings"):
        write(replace(base, wheelhouse=tmp_path / "empty.tar"), tmp_path / "out.iso")
    assert (
        sorted(os.listdir(tmp_path)) == ["cache", "empty.tar"] or not (tmp_path / "cache").exists()
    )


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"/.disk/info": b"Ubuntu"}, "BaseUnknown"),
        ({"/.disk/info": b"Debian GNU/Linux", "/install.amd/vmlinuz": b"x"}, "BaseUnknown"),
        (
            {"/.disk/info": b"Debian", "/linux": KERNELS["amd64"], "/initrd.gz": b"x"},
            "BaseUnknown",
        ),
        (
            {"/.disk/info": b"Debian", "/linux": KERNELS["arm64"], "/initrd.gz": b"x"},
            "WrongArchitecture",
        ),
    ],
)
def test_an_iso_that_is_not_an_installer(
    files: dict[str, bytes], reason: str, base: BaseFile, tmp_path: Path
) -> None:
    foreign = make_iso(tmp_path / "foreign.iso", files)
    with pytest.raises(ImageError) as caught:
        write(
            replace(base, path=foreign, demands=Demands(architecture="amd64")), tmp_path / "o.iso"
        )
    assert caught.value.reason == reason
    assert not (tmp_path / "o.iso").exists()


def test_what_interrupts_the_preparation_leaves_nothing(
    base: BaseFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/xorriso").write_text("#!/bin/sh\nexit 0\n")  # it did nothing, and says success
    (tmp_path / "bin/xorriso").chmod(0o755)
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
        with pytest.raises(ImageError, match="ToolFailed"):
            write(base, tmp_path / "out.iso")
    assert list((tmp_path / "cache").iterdir()) == []
    write(base, tmp_path / "out.iso")


WHEELS = {
    "any": "a-1-py3-none-any.whl",
    "x86": "a-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "arm": "a-1-cp311-cp311-manylinux_2_17_aarch64.whl",
    "abi3": "a-1-cp39-abi3-manylinux_2_28_x86_64.whl",
    "313": "a-1-cp313-cp313-manylinux_2_17_x86_64.whl",
    "musl": "a-1-cp311-cp311-musllinux_1_2_x86_64.whl",
    "later": "a-1-cp312-abi3-manylinux_2_28_x86_64.whl",
    "old": "a-1-py2.py3-none-any.whl",
}


@pytest.mark.parametrize(
    ("names", "fits"),
    [
        (["any"], True),
        (["x86"], True),
        (["arm"], False),
        (["arm", "x86"], True),
        (["abi3"], True),
        (["313"], False),
        (["musl"], False),
        (["later"], False),
        (["old"], True),
    ],
)
def test_wheels_have_to_fit_the_system_that_is_installed(
    names: list[str], fits: bool, netinst: Path, tmp_path: Path
) -> None:
    wheels = make_wheelhouse(tmp_path / "wheels.tar", *(WHEELS[name] for name in names))
    base = BaseFile(netinst, Demands(), wheels, tmp_path / "cache")
    if fits:
        write(base, tmp_path / "out.iso")
        return
    with pytest.raises(ImageError, match=r"no wheel of a for Python 3.11 and x86_64") as caught:
        write(base, tmp_path / "out.iso")
    assert caught.value.reason == "InvalidSettings"
    assert os.listdir(tmp_path) == ["wheels.tar"]


def test_an_installer_of_another_release_of_debian_is_refused(
    base: BaseFile, tmp_path: Path
) -> None:
    info = b'Debian GNU/Linux 11.9.0 "Bullseye" - Official amd64 NETINST'
    files = {"/install.amd/vmlinuz": KERNELS["amd64"], INITRD: b"initrd", "/.disk/info": info}
    grub = {"/boot/grub/grub.cfg": GRUB.replace("{0}", INITRD).encode()}
    old = make_iso(tmp_path / "old.iso", {**files, **grub})
    with pytest.raises(ImageError, match=r"bullseye.* 12 .bookworm. and 13 .trixie.") as caught:
        write(replace(base, path=old), tmp_path / "out.iso")
    assert caught.value.reason == "BaseUnknown"

    many = {f"/boot/grub/{number}.cfg": b"# " for number in range(65)}
    hostile = make_iso(tmp_path / "hostile.iso", {**files, **many})
    with pytest.raises(ImageError, match="more or larger boot configurations"):
        write(replace(base, path=hostile), tmp_path / "out.iso")


def test_a_damaged_base_in_the_cache_is_made_again(base: BaseFile, tmp_path: Path) -> None:
    write(base, tmp_path / "out.iso")
    [kept] = list((tmp_path / "cache").iterdir())
    whole = kept.read_bytes()
    kept.write_bytes(b"")
    write(base, tmp_path / "out.iso")
    assert kept.read_bytes() == whole


PROGRAM = """
import sys
from pathlib import Path
from flotta.cli.flotta import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_ended_leaves_no_program_and_no_file(
    how: signal.Signals, base: BaseFile, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/xorriso").write_text(f"#!/bin/sh\necho $$ >{started}\nexec sleep 300\n")
    (tmp_path / "bin/xorriso").chmod(0o755)
    for name in ("certificate", "key", "ca"):
        (tmp_path / name).write_text(str(fleet().settings()[name]))
    (tmp_path / "settings.yml").write_text(
        "".join(f"{name}_file: {tmp_path / name}\n" for name in ("certificate", "key", "ca"))
    )
    command = [
        *("env", "--default-signal=INT"),  # which programs in the background ignore
        *(sys.executable, "-c", PROGRAM, "image", "personalise", "--server", "edge.example"),
        *("--base", str(base.path), "--wheelhouse", str(base.wheelhouse)),
        *("--cache", str(base.cache), "--output", str(tmp_path / "out.iso")),
        *("--settings", str(tmp_path / "settings.yml")),
    ]
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as program:
        wait_until(lambda: started.exists() and started.read_text().endswith("\n"))
        program.send_signal(how)
        _, said = program.communicate(timeout=60)
    assert "Traceback" not in said
    xorriso = int(started.read_text())
    wait_until(lambda: not Path(f"/proc/{xorriso}").exists() or is_ended(xorriso))

    if how is not signal.SIGKILL:
        assert program.returncode == 128 + how
        assert os.listdir(tmp_path / "cache") == []
    write(base, tmp_path / "out.iso")
    assert len(os.listdir(tmp_path / "cache")) == 1  # what was killed left something; it is gone


def is_ended(process: int) -> bool:
    """Tell whether a process waits for its parent to look."""
    return " Z " in Path(f"/proc/{process}/stat").read_text()

"""Which medium the first stage of the boot takes: its own functions, under its own shell."""

from __future__ import annotations

import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from flotta.payload.cpio import Entry, write_archive

pytestmark = pytest.mark.skipif(shutil.which("busybox") is None, reason="runs busybox sh")
BASE, MINE, OTHER = "b" * 64, "1" * 64, "2" * 64
REGULAR = 0o100644
# Devices are directories: what is mounted is what the directory holds.
SCRIPT = """
sys={folder}/sys live={folder}/live base={base}
mount() {{
  held={folder}/devices/${{5##*/}}
  [ -d "$held" ] && cp -r "$held/." $live/medium
}}
umount() {{ rm -rf $live/medium && mkdir $live/medium; }}
sleep() {{ :; }}
load_drivers() {{ :; }}
find_medium "{settings}" && echo "$medium $in_doubt $(ls $live/medium/flotta)"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("sys/class/block", "live/medium", "devices"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def manifest(content_id: str) -> bytes:
    return f'{{\n "batch": "tills",\n "contentID": "{content_id}",\n "format": 1\n}}\n'.encode()


def attach(folder: Path, name: str, settings: str = "", base: str = BASE, size: int = 8) -> None:
    """Add a device with a medium; one whose settings are "" is a base without any."""
    known = folder / "sys/class/block" / name
    known.mkdir()
    (known / "size").write_text(f"{size}\n")
    if name[-1].isdigit() and not name.startswith("sr"):
        (known / "partition").write_text("1\n")
    medium = folder / "devices" / name / "flotta"
    medium.mkdir(parents=True)
    (medium / "base.json").write_text(f'{{\n "contentID": "{base}"\n}}\n')
    area = b""
    if settings:
        entries = [Entry("flotta/manifest.json", REGULAR, 0, manifest(settings))]
        entries.append(Entry("flotta/root/x", REGULAR, 0, manifest(OTHER)))
        area = write_archive(iter(entries))
    (medium / "payload.img").write_bytes(area.ljust(262144, b"\0"))


def run(folder: Path, script: str) -> str:
    functions = str(files("flotta.images.build").joinpath("data", "medium.sh"))
    done = subprocess.run(
        ["busybox", "sh", "-c", f". {functions}\n{script}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert not done.stderr
    return done.stdout.strip()


def find(folder: Path, settings: str) -> str:
    script = SCRIPT.format(folder=folder, base=BASE, settings=settings)
    return run(folder, script).replace("\n", " ")


def found(device: str, in_doubt: bool = False) -> str:
    return f"/dev/{device} {str(in_doubt).lower()} base.json payload.img"


def test_settings_tell_media_of_one_base_apart(folder: Path) -> None:
    attach(folder, "sda", OTHER)
    attach(folder, "sdb", MINE)
    attach(folder, "sdc")
    attach(folder, "sr0", MINE, base=OTHER)
    assert find(folder, MINE) == found("sdb")
    assert find(folder, OTHER) == found("sda")
    assert find(folder, "") == found("sdc")
    assert find(folder, "3" * 64) == ""
    assert list((folder / "live/medium").iterdir()) == []


def test_equal_media_are_in_doubt_and_a_partition_of_a_medium_is_not_another(
    folder: Path,
) -> None:
    attach(folder, "sda", MINE)
    attach(folder, "sda1", MINE)
    attach(folder, "loop0", MINE)
    attach(folder, "sdz", MINE, size=0)
    assert find(folder, MINE) == found("sda")
    attach(folder, "sr0", MINE)
    assert find(folder, MINE) == found("sda", in_doubt=True)


def test_any_medium_of_the_base_can_be_asked_for(folder: Path) -> None:
    attach(folder, "sda", OTHER)
    assert find(folder, "any") == found("sda")


def test_the_search_waits_for_the_disk_of_every_usb_storage(folder: Path) -> None:
    (folder / "sys/devices").mkdir()
    interface = folder / "sys/bus/usb/devices/1-1:1.0"
    interface.mkdir(parents=True)
    (interface / "bInterfaceClass").write_text("08\n")
    disk = interface / "host2/target2:0:0/2:0:0:0/block/sda"
    script = f"""
    sys={folder}/sys
    load_drivers() {{ :; }}
    sleep() {{ slept=$((${{slept:-0}} + 1)); [ $slept -lt 4 ] || mkdir -p {disk}; }}
    settle
    echo $slept
    """
    assert run(folder, script) == "4"
    (interface / "bInterfaceClass").write_text("03\n")
    shutil.rmtree(disk.parent)
    assert run(folder, script) == "1"

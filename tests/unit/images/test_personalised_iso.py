"""Personalised ISOs: what is in them, when they are written again, and what comes back out."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flotta.images.base_record import AREA, AREA_SIZE
from flotta.images.errors import ImageError
from flotta.images.iso.iso9660 import open_iso
from flotta.images.personalise.outputs import Output, personalise
from flotta.images.personalise.prepared import BaseFile
from flotta.images.personalise.reset import reset
from flotta.images.personalise.results import Result
from flotta.images.personalise.show import show
from flotta.images.personalise.sources import open_source
from flotta.images.personalise.verify import verify
from flotta.images.publication import Ownership
from flotta.images.settings.medium import parse_settings
from flotta.payload.tree import unpack
from loop_devices import loop_device
from small_iso import fleet, make_base, make_iso


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "base.iso")


def write(base: Path | None, path: Path, check: bool = False, **options: object) -> Result:
    ownership = options.pop("ownership", Ownership(0o600))
    force, thorough = bool(options.pop("force", False)), bool(options.pop("thorough", False))
    settings = parse_settings(fleet().settings(**options))
    with open_source(BaseFile(base) if base else None) as source:
        output = Output(path, settings, ownership, force, thorough)
        return personalise(source, output, check)


def test_an_iso_differs_from_its_base_in_the_area_alone(base: Path, tmp_path: Path) -> None:
    path = tmp_path / "till.iso"
    result = write(base, path, device_id="till-1")

    before, after = base.read_bytes(), path.read_bytes()
    area = result.area
    assert before[: area.offset] == after[: area.offset]
    assert before[area.offset + area.size :] == after[area.offset + area.size :]
    payload = unpack(after[area.offset : area.offset + area.size])
    assert payload is not None
    assert payload.manifest.device_id == "till-1"
    assert payload.manifest.content_id == result.content.manifest.content_id
    files = {file.path: file.content.decode() for file in payload.files}
    assert files["/etc/pki/consumer/key.pem"] == fleet().key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["till.iso"]


def test_the_same_settings_give_the_same_bytes(base: Path, tmp_path: Path) -> None:
    for name in ("one.iso", "two.iso"):
        write(base, tmp_path / name, labels={"b": "2", "a": "1"})
    assert (tmp_path / "one.iso").read_bytes() == (tmp_path / "two.iso").read_bytes()


def test_what_is_up_to_date_is_not_written_again(base: Path, tmp_path: Path) -> None:
    path = tmp_path / "till.iso"
    assert write(base, path).changed
    inode = path.stat().st_ino

    assert not write(base, path).changed
    assert path.stat().st_ino == inode

    changed = write(base, path, labels={"site": "berlin"})
    assert changed.rewritten
    assert changed.before is not None
    assert changed.before.labels == {}
    assert path.stat().st_ino != inode


def test_another_mode_is_set_without_writing_the_iso_again(base: Path, tmp_path: Path) -> None:
    path = tmp_path / "till.iso"
    write(base, path)
    inode = path.stat().st_ino

    result = write(base, path, ownership=Ownership(0o640))

    assert (result.rewritten, result.reowned) == (False, True)
    assert (path.stat().st_ino, stat.S_IMODE(path.stat().st_mode)) == (inode, 0o640)


def test_a_check_says_what_would_be_done_and_does_nothing(base: Path, tmp_path: Path) -> None:
    path = tmp_path / "till.iso"
    assert write(base, path, check=True).changed
    assert os.listdir(tmp_path) == []

    write(base, path)
    assert not write(base, path, check=True).changed
    assert write(base, path, check=True, ownership=Ownership(0o640)).reowned
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_damage_outside_the_area_is_found_by_a_thorough_look(tmp_path: Path) -> None:
    base = make_base(tmp_path / "base.iso", padding=1 << 20)
    path = tmp_path / "till.iso"
    write(base, path)
    with path.open("r+b") as file:
        file.seek(-300 * 1024, os.SEEK_END)
        file.write(b"damage")

    assert not write(base, path).changed
    assert write(base, path, thorough=True).rewritten
    assert not write(base, path, thorough=True).changed


def test_an_iso_shows_what_is_in_it_and_no_secret(base: Path, tmp_path: Path) -> None:
    path = tmp_path / "till.iso"
    wifi = [{"ssid": "shop", "passphrase": "correct horse"}]
    write(base, path, batch="berlin", wifi=wifi)

    shown = show(path)

    assert (shown.kind, shown.area.state, shown.expired) == ("flotta-live", "personalised", False)
    assert {entry.firmware for entry in shown.boot} == {"bios", "uefi"}
    assert shown.manifest is not None
    assert shown.manifest.batch == "berlin"
    assert "correct horse" not in repr(shown)
    assert fleet().key.splitlines()[1] not in repr(shown)
    assert show(path, datetime.now(UTC) + timedelta(days=60)).expired


def test_a_base_and_a_foreign_iso_are_shown_too(base: Path, tmp_path: Path) -> None:
    assert show(base).area.state == "pristine"
    foreign = show(make_iso(tmp_path / "foreign.iso", {"/README": b"hello"}, ["uefi"]))
    assert (foreign.kind, foreign.area.state) == ("foreign", "absent")
    assert [entry.firmware for entry in foreign.boot] == ["uefi"]


def test_a_reset_makes_it_the_base_again(base: Path, tmp_path: Path) -> None:
    path = tmp_path / "till.iso"
    write(base, path)

    assert reset(path, check=True).changed
    assert reset(path).manifest is not None
    assert not reset(path).changed
    assert path.read_bytes() == base.read_bytes()


def test_a_personalised_iso_is_as_good_a_base(base: Path, tmp_path: Path) -> None:
    write(base, tmp_path / "one.iso", device_id="till-1")
    write(tmp_path / "one.iso", tmp_path / "two.iso", device_id="till-2")
    write(base, tmp_path / "three.iso", device_id="till-2")
    assert (tmp_path / "two.iso").read_bytes() == (tmp_path / "three.iso").read_bytes()


def test_a_seed_needs_no_base_and_is_read_like_an_iso(tmp_path: Path) -> None:
    path = tmp_path / "seed.img"
    assert write(None, path, device_id="till-1").rewritten
    assert not write(None, path, device_id="till-1").changed

    shown = show(path)
    assert (shown.kind, shown.volume_id, shown.area.size) == ("seed", "FLOTTA_SEED", AREA_SIZE)
    assert shown.manifest is not None
    assert shown.manifest.device_id == "till-1"
    first = path.read_bytes()
    path.unlink()
    write(None, path, device_id="till-1")
    assert path.read_bytes() == first
    assert verify(path) is not None


def test_a_medium_is_verified_with_its_base(base: Path, tmp_path: Path) -> None:
    path = tmp_path / "till.iso"
    write(base, path)
    manifest = verify(path, BaseFile(base))
    assert manifest is not None
    assert verify(base, BaseFile(base)) is None

    with path.open("r+b") as file:
        file.seek(40 * 1024)
        file.write(b"damage")
    with pytest.raises(ImageError, match="differs from"):
        verify(path, BaseFile(base))


def test_a_changed_file_in_the_area_is_found(base: Path, tmp_path: Path) -> None:
    path = tmp_path / "till.iso"
    write(base, path)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"edge.example:8043", b"evil.example:8043"))

    with pytest.raises(ImageError, match=r"config\.toml") as caught:
        verify(path)
    assert caught.value.reason == "VerificationFailed"


def test_the_area_is_found_where_other_programs_find_it(base: Path, tmp_path: Path) -> None:
    with open_iso(base) as iso:
        record = iso.find(AREA)
        assert record is not None
        assert iso.find("/FLOTTA/payload.img") is not None
        assert iso.find("/flotta/payload.img/below") is None
        assert iso.find("/flotta/missing") is None
        names = {entry.name for entry in iso.list_directory("/flotta")}
    assert names == {"base.json", "payload.img", "root.squashfs", "vmlinuz"}


def test_a_stick_is_shown_and_reset_like_a_file(base: Path, tmp_path: Path) -> None:
    path = tmp_path / "till.iso"
    write(base, path, device_id="till-1")
    with path.open("ab") as file:
        file.write(bytes(1 << 20))  # a stick is larger than its ISO
    with loop_device(path) as stick:
        shown = show(stick)
        assert shown.manifest is not None
        assert shown.manifest.device_id == "till-1"
        assert verify(stick) is not None
        assert reset(stick).changed
        assert show(stick).area.state == "pristine"

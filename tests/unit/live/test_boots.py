"""Boots of one machine one after the other, with a real stick below a root of the test."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flotta.identity.authority import Authority
from flotta.identity.keys import new_key
from flotta.identity.requests import certificate_request, load_request
from flotta.live import naming, own_identity, preparation
from flotta.live.boot_report import BootReport
from flotta.live.own_identity import has_own_identity
from flotta.live.places import Places
from flotta.live.preparation import Preparation
from flotta.live.state import mounts
from unit.live.media import GIBIBYTE, make_stick, put, release
from unit.live.test_preparation import UUID, firmware, personalise, write

UID = "0b6f0f5c-2f10-4a55-8d3e-5f0c2c3e9e0f"
IDENTITY = Path("etc/pki/consumer")


class Machine:
    """A machine with one stick; what it does not write to its state is lost at each boot."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stick = make_stick(folder)
        self.boots = 0
        self.uuid = "Not Settable"  # of later boots
        self.settings: Callable[[Places], None] = personalise

    def boot(self) -> BootReport:
        release(self.folder)
        self.boots += 1
        self.places = Places(self.folder / f"boot-{self.boots}")
        (self.places.root / "etc").mkdir(parents=True)
        (self.places.root / "etc/motd").write_text("base\n")
        (self.places.root / "var/lib/flotta").mkdir(mode=0o750, parents=True)
        firmware(self.places.root, UUID if self.boots == 1 else self.uuid)
        self.settings(self.places)
        return Preparation(self.places, self.stick).run()

    def file(self, path: str) -> Path:
        return self.places.root / path


@pytest.fixture
def machine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(preparation, "GATEWAY_USER", pwd.getpwuid(os.getuid()).pw_name)
    return Machine(folder)


def reasons(report: BootReport) -> list[str]:
    return [warned.reason for warned in report.warnings]


def test_the_second_boot_keeps_id_configuration_of_pods_and_files(machine: Machine) -> None:
    first = machine.boot()
    assert reasons(first) == []
    assert (first.device_id, first.state.kind) == (UUID, "Partition")
    assert machine.file("var/lib/flotta").stat().st_mode & 0o777 == 0o750
    machine.file("etc/machine-id").write_text("0123\n")
    for kept in ("var/lib/flotta", "var/lib/containers", "var/local", "var/log/journal"):
        (machine.file(kept) / "file").write_text(kept)
    machine.file("root").mkdir()

    second = machine.boot()

    assert reasons(second) == []
    assert (second.device_id, second.device_id_source) == (UUID, "Stored")
    assert machine.file("etc/machine-id").read_text() == "0123\n"
    assert machine.file("etc/motd").read_text() == "base\n"
    for kept in ("var/lib/flotta", "var/lib/containers", "var/local", "var/log/journal"):
        assert (machine.file(kept) / "file").read_text() == kept
    assert not machine.file("root").exists()


def test_the_settings_of_the_medium_count_at_each_boot(machine: Machine) -> None:
    machine.boot()
    config = machine.file("etc/yggdrasil/config.toml")
    config.write_text("changed on the device\n")
    machine.file("etc/hostname").unlink()
    machine.file("usr/lib").mkdir(parents=True, exist_ok=True)
    shutil.rmtree(machine.file("etc/pki/consumer"))
    machine.file("etc/pki/consumer").mkdir()  # hides what is below, in an overlay
    (machine.file("etc/pki/consumer") / "own").write_text("kept")

    def others(places: Places) -> None:
        personalise(places, server="other.example:8888")
        write(places, "etc/yggdrasil/config.toml", 'server = "other.example:8888"\n')

    machine.settings = others
    machine.boot()
    assert 'server = "other.example:8888"' in machine.file("etc/yggdrasil/config.toml").read_text()
    assert machine.file("etc/hostname").read_text() == f"{UUID}\n"
    assert machine.file("etc/pki/consumer/key.pem").read_text() == "KEY"
    assert machine.file("etc/pki/consumer/own").read_text() == "kept"


def test_an_id_in_the_state_counts_and_another_one_on_the_medium_is_warned_of(
    machine: Machine,
) -> None:
    machine.boot()
    machine.settings = lambda places: personalise(places, deviceID="till-2")
    report = machine.boot()
    assert reasons(report) == ["DeviceIDDiffers"]
    assert report.device_id == UUID
    assert f'client-id = "{UUID}"' in machine.file("etc/yggdrasil/config.toml").read_text()


def test_a_stored_id_that_is_damaged_is_replaced(machine: Machine) -> None:
    machine.boot()
    machine.places.device_id.write_bytes(b"\xff\n")
    machine.settings = lambda places: personalise(places, deviceID="till-2")
    report = machine.boot()
    assert (reasons(report), report.device_id) == (["DeviceIDDamaged"], "till-2")
    assert machine.places.device_id.read_text() == "till-2\n"


def test_a_copied_stick_says_that_it_was_made_on_another_machine(machine: Machine) -> None:
    machine.boot()
    release(machine.folder)
    machine.uuid = UID
    report = machine.boot()
    assert reasons(report) == ["HardwareDiffers"]
    assert UID in report.warnings[0].message
    assert UUID in report.warnings[0].message
    assert report.device_id == UUID
    machine.places.hardware_id.unlink()  # as documented for a stick that was moved
    assert reasons(machine.boot()) == []
    assert machine.places.hardware_id.read_text() == f"{UID}\n"


def test_a_state_that_could_not_be_used_is_told_from_none(machine: Machine) -> None:
    other = make_stick(machine.folder, GIBIBYTE, "small.img")
    first, machine.stick = machine.stick, other
    assert not machine.boot().state.present
    machine.stick = first
    machine.boot()
    release(machine.folder)
    put(first, GIBIBYTE + 1024, bytes(1024))
    report = machine.boot()
    assert (report.state.reason, report.state.present) == ("StateDamaged", True)


def test_an_id_that_cannot_be_stored_is_warned_of(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(naming, "write_atomically", fail)
    report = machine.boot()
    assert set(reasons(report)) == {"DeviceIDNotStored"}
    assert report.device_id == UUID


def test_a_part_of_the_state_that_cannot_be_mounted_is_warned_of(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounts, "STACKED", "nonsense=1")
    report = machine.boot()
    assert reasons(report) == ["StateIncomplete"]
    assert (report.state.kind, report.device_id) == ("Partition", UUID)


def test_a_stick_that_fails_is_warned_of_and_the_device_starts(machine: Machine) -> None:
    machine.stick = machine.folder / "gone.img"
    report = machine.boot()
    assert reasons(report) == ["StateFailed"]
    assert (report.state.kind, report.state.reason) == ("Overlay", "StateFailed")
    point = str(machine.file("var/lib/containers"))
    assert f" {point} " in Path("/proc/self/mountinfo").read_text()


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("Flotta CA")


def join(identity: Path, authority: Authority, device: str = UUID, days: int = 30) -> None:
    """Write a certificate of its own, as the gateway does."""
    request = load_request(certificate_request(new_key(), device))
    pem = authority.sign_device(request, device, "default", UID, days)
    (identity / "device/1").mkdir(parents=True)
    (identity / "device/1/cert.pem").write_bytes(pem)
    (identity / "device/current").symlink_to("1")


def test_a_device_in_the_fleet_leaves_the_registration_key_on_the_medium(
    machine: Machine, authority: Authority
) -> None:
    def settings(places: Places) -> None:
        personalise(places)
        write(places, "etc/pki/consumer/cert.pem", "CERTIFICATE")
        write(places, "etc/pki/consumer/ca.pem", authority.certificate_pem.decode())

    machine.settings = settings
    machine.boot()
    assert machine.file("etc/pki/consumer/key.pem").exists()
    join(machine.file("etc/pki/consumer"), authority)

    machine.boot()
    assert sorted(path.name for path in machine.file("etc/pki/consumer").iterdir()) == [
        "ca.pem",
        "device",
    ]
    release(machine.folder)
    put(machine.stick, 1 << 30, bytes(1 << 20))  # the state is lost
    assert machine.boot().state.kind == "Overlay"
    assert machine.file("etc/pki/consumer/key.pem").exists()


@pytest.mark.parametrize("doubt", ["", "id", "authority", "expired", "damaged", "none"])
def test_in_case_of_doubt_the_device_may_register_again(
    tmp_path: Path, authority: Authority, doubt: str
) -> None:
    given = Authority.create("Other CA") if doubt == "authority" else authority
    (tmp_path / "ca.pem").write_bytes(given.certificate_pem)
    if doubt != "none":
        join(tmp_path, authority, "till-1" if doubt == "id" else UUID)
    if doubt == "damaged":
        (tmp_path / "device/1/cert.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\n")
    now = datetime.now(UTC) + timedelta(days=31 if doubt == "expired" else 1)
    known = has_own_identity(tmp_path, tmp_path / "ca.pem", UUID, now.timestamp())
    assert known is (doubt == "")


def test_a_clock_that_went_back_is_not_believed(tmp_path: Path) -> None:
    file = tmp_path / own_identity.CLOCKS[0]
    file.parent.mkdir(parents=True)
    file.touch()
    os.utime(file, (4_000_000_000, 4_000_000_000))
    assert own_identity.latest_known_time(tmp_path, tmp_path / "none") == 4_000_000_000

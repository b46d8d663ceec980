"""What a boot makes of medium, state and firmware, before the system starts."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path

import pytest

from flotta.cli.live import main
from flotta.live import preparation
from flotta.live.boot_report import BootReport, StateReport, Warned, read_report, write_report
from flotta.live.places import Places
from flotta.live.state.errors import NoState
from flotta.live.state.finding import Wanted
from flotta.protocol.reasons.live import STATE_READ_ONLY

UUID = "4c4c4544-0039-5a10-8052-b7c04f4d3532"
EPOCH = 1_700_000_000  # seconds


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    monkeypatch.setattr(preparation, "GATEWAY_USER", pwd.getpwuid(os.getuid()).pw_name)
    monkeypatch.setattr(preparation, "mount_any_state", no_state)
    monkeypatch.setattr(preparation, "mount_containers_in_memory", lambda _: None)
    (tmp_path / "etc").mkdir()
    firmware(tmp_path, UUID)
    return Places(tmp_path)


def no_state(_: Wanted) -> StateReport:
    raise NoState(STATE_READ_ONLY, "The boot medium cannot be written.")


def firmware(root: Path, uuid: str) -> None:
    (root / "sys/class/dmi/id").mkdir(parents=True, exist_ok=True)
    (root / "sys/class/dmi/id/product_uuid").write_text(uuid)


def personalise(places: Places, **manifest: object) -> None:
    content = {
        "format": 1,
        "contentID": "0" * 64,
        "serialNumber": "1f",
        "notBefore": "2026-01-01T00:00:00Z",
        "notAfter": "2026-02-01T00:00:00Z",
        "server": "plane.example:8888",
        "caFingerprint": "1" * 64,
        "namespace": "default",
        "release": "0.2.0",
        "batch": "tills",
        **manifest,
    }
    write(places, "../manifest.json", json.dumps(content))
    write(places, "etc/yggdrasil/config.toml", 'server = "plane.example:8888"\n')
    write(places, "etc/pki/consumer/key.pem", "KEY", 0o600)
    write(places, "usr/lib/clock-epoch", "", mtime=EPOCH)


def write(places: Places, path: str, text: str, mode: int = 0o644, mtime: int = 0) -> None:
    target = places.payload / "root" / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    target.chmod(mode)
    os.utime(target, (mtime, mtime))


def prepare(places: Places, *options: str) -> BootReport:
    main(["prepare", "--medium", "/dev/null", "--root", str(places.root), *options])
    report = read_report(places.report)
    assert report is not None
    return report


def reasons(report: BootReport) -> list[str]:
    """Return the warnings besides that of a boot without state."""
    found = [warned.reason for warned in report.warnings]
    found.remove("StateReadOnly")
    return found


def test_a_personalised_medium_makes_the_machine_a_device(places: Places) -> None:
    personalise(places)
    report = prepare(places)
    assert (report.device_id, report.device_id_source) == (UUID, "ProductUUID")
    assert (report.server, report.batch, report.settings) == ("plane.example:8888", "tills", True)
    assert places.configuration.read_text().splitlines() == [
        f'client-id = "{UUID}"',
        'server = "plane.example:8888"',
    ]
    assert (places.root / "etc/hostname").read_text() == f"{UUID}\n"
    assert f"127.0.1.1 {UUID}\n" in (places.root / "etc/hosts").read_text()
    assert places.registration[1].stat().st_mode & 0o777 == 0o600
    assert (places.root / "usr/lib/clock-epoch").stat().st_mtime == EPOCH


def test_a_boot_without_state_says_why(places: Places) -> None:
    personalise(places)
    report = prepare(places)
    assert [warned.reason for warned in report.warnings] == ["StateReadOnly"]
    assert report.state == StateReport(
        "Overlay", reason="StateReadOnly", message="The boot medium cannot be written."
    )
    written = json.loads(places.report.read_text())
    assert (written["format"], written["state"]["kind"]) == (1, "Overlay")


def test_a_base_without_settings_says_so_and_has_an_id_all_the_same(places: Places) -> None:
    report = prepare(places)
    assert reasons(report) == ["NoSettings"]
    assert (report.device_id, report.settings) == (UUID, False)


def test_a_machine_without_a_name_is_warned_of(places: Places) -> None:
    personalise(places)
    firmware(places.root, "Not Settable")
    assert reasons(prepare(places)) == ["DeviceIDRandom"]


@pytest.mark.parametrize("manifest", [b"", b"[]", b"{", b"\xff" * 10, b"[" * 5000, b" " * 200_000])
def test_a_damaged_manifest_is_warned_of_and_the_files_are_used(
    places: Places, manifest: bytes
) -> None:
    personalise(places)
    (places.payload / "manifest.json").write_bytes(manifest)
    report = prepare(places)
    assert reasons(report) == ["SettingsDamaged"]
    assert places.configuration.exists()


def test_a_file_that_cannot_be_written_does_not_keep_the_others_back(places: Places) -> None:
    personalise(places)
    write(places, "etc/hostname/file", "below a file")
    (places.root / "etc/hostname").write_text("live\n")
    report = prepare(places)
    assert reasons(report) == ["SettingsDamaged"]
    assert places.configuration.exists()


def test_many_warnings_leave_a_report_that_can_be_read(places: Places) -> None:
    personalise(places)
    (places.root / "etc/thing").write_text("in the way")
    for number in range(80):
        write(places, f"etc/thing/{number}", "")
    report = prepare(places)
    assert 50 < len(report.warnings) <= 64
    assert report.device_id == UUID


def test_a_report_is_cut_to_what_its_reader_takes(tmp_path: Path) -> None:
    warned = [Warned("SettingsDamaged", "\x01" * 600)] * 64
    write_report(tmp_path / "boot.json", BootReport(device_id="till-1", warnings=warned))
    report = read_report(tmp_path / "boot.json")
    assert report is not None
    assert report.warnings


def test_a_link_of_the_system_is_replaced_and_not_followed(places: Places) -> None:
    personalise(places)
    write(places, "etc/resolv.conf", "nameserver 10.0.2.3\n")
    (places.root / "etc/resolv.conf").symlink_to("/nonexistent/resolv.conf")
    prepare(places)
    assert not (places.root / "etc/resolv.conf").is_symlink()
    assert (places.root / "etc/resolv.conf").read_text() == "nameserver 10.0.2.3\n"


def test_links_and_pipes_of_a_payload_are_passed_over(places: Places) -> None:
    personalise(places)
    (places.payload / "root/etc/shadow").symlink_to("/etc/shadow")
    os.mkfifo(places.payload / "root/etc/pipe")
    prepare(places)
    assert sorted(path.name for path in (places.root / "etc").iterdir()) == [
        "hostname",
        "hosts",
        "pki",
        "yggdrasil",
    ]


def test_another_client_id_in_the_settings_gives_way(places: Places) -> None:
    personalise(places)
    write(places, "etc/yggdrasil/config.toml", '"client-id" = "x"\nclient-id="y"\nserver="z"\n')
    prepare(places)
    assert places.configuration.read_text() == f'client-id = "{UUID}"\nserver="z"\n'


def test_a_step_that_fails_is_a_warning_and_the_next_one_runs(places: Places) -> None:
    personalise(places)
    (places.root / "etc/hosts").mkdir()
    report = prepare(places)
    assert reasons(report) == ["PreparationFailed"]
    assert places.configuration.exists()


def test_a_medium_in_doubt_gets_no_state(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    def disk(wanted: Wanted) -> StateReport:
        return StateReport("Disk", wanted.disk)

    monkeypatch.setattr(preparation, "mount_any_state", disk)
    monkeypatch.setattr(preparation, "stack_etc", lambda *_: None)
    monkeypatch.setattr(preparation, "mount_kept", lambda *_: None)
    personalise(places)
    assert prepare(places, "--medium-in-doubt", "true").state.reason == "StateMediumInDoubt"
    assert prepare(places, "--medium-in-doubt", "false").state.kind == "Disk"
    personalise(places, stateDisk="serial=X1")
    assert prepare(places, "--medium-in-doubt", "true").state.device == "serial=X1"

"""Refusals: one sentence with a code and the next step, and everything as it was before."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flotta.identity.authority import Authority
from flotta.images import publication
from flotta.images.directory_lock import lock_directory
from flotta.images.errors import ImageError
from flotta.images.personalise import outputs
from flotta.images.personalise.opened_base import Demands
from flotta.images.personalise.outputs import Output, personalise
from flotta.images.personalise.prepared import BaseFile
from flotta.images.personalise.removal import remove
from flotta.images.personalise.reset import reset
from flotta.images.personalise.show import show
from flotta.images.personalise.sources import open_source
from flotta.images.settings.medium import parse_settings
from small_disk import mount_small_disk
from small_iso import fleet, make_base, make_iso
from waiting import wait_until

MIB = 1 << 20


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "base.iso", padding=2 * MIB)


@contextmanager
def refused(reason: str, folder: Path) -> Iterator[None]:
    """Expect a refusal with this code, after which the directory is as before."""
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    with pytest.raises(ImageError) as caught:
        yield
    assert caught.value.reason == reason
    assert str(caught.value).endswith(f"[{reason}]")
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def write(base: Path, path: Path, demands: Demands = Demands(), **options: object) -> None:  # noqa: B008
    timeout = float(str(options.pop("timeout", 60)))
    force = bool(options.pop("force", False))
    with open_source(BaseFile(base, demands)) as source:
        settings = parse_settings(fleet().settings(**options))
        personalise(source, Output(path, settings, force=force, lock_timeout=timeout))


def test_a_base_that_is_missing_or_no_file(tmp_path: Path) -> None:
    for base in (tmp_path / "missing.iso", tmp_path):
        with pytest.raises(ImageError) as caught:
            write(base, tmp_path / "out.iso")
        assert caught.value.reason in ("BaseNotFound", "BaseNotISO")
    with refused("BaseNotFound", tmp_path):
        write(tmp_path / "missing.iso", tmp_path / "out.iso")


@pytest.mark.parametrize("content", [b"", b"garbage" * 20_000, bytes(64 * 1024)])
def test_a_base_that_is_no_iso(content: bytes, tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.iso"
    garbage.write_bytes(content)
    with refused("BaseNotISO", tmp_path):
        write(garbage, tmp_path / "out.iso")


def test_a_base_whose_record_or_area_is_damaged(base: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.iso"
    for wrong, problem in ((b'{"format":9', "format 9"), (b'{"format":x', "malformed")):
        damaged.write_bytes(base.read_bytes().replace(b'{"format":1', wrong))
        with refused("BaseUnknown", tmp_path):
            write(damaged, tmp_path / "out.iso")
        shown = show(damaged)
        assert (shown.kind, shown.area.state) == ("foreign", "absent")
        assert problem in shown.area.problem
    damaged.write_bytes(base.read_bytes().replace(b"payload.img", b"payload.gmi"))
    with refused("BaseUnknown", tmp_path):
        write(damaged, tmp_path / "out.iso")
    assert show(damaged).area.state == "absent"


def test_an_area_that_is_larger_than_any_is_not_read(tmp_path: Path) -> None:
    large = make_base(tmp_path / "large.iso", area=17 * MIB)
    with refused("BaseUnknown", tmp_path):
        write(large, tmp_path / "out.iso")
    assert show(large).area.state == "absent"


def test_what_follows_a_base_is_in_no_output(base: Path, tmp_path: Path) -> None:
    used = tmp_path / "used.iso"
    used.write_bytes(base.read_bytes())
    os.truncate(used, base.stat().st_size + 512 * MIB)  # a stick with the state of a device
    with pytest.raises(ImageError, match="as on a stick") as caught:
        write(used, tmp_path / "out.iso")
    assert caught.value.reason == "BaseNotISO"
    assert os.listdir(tmp_path) == ["used.iso"]


def test_no_base_is_replaced_by_accident(base: Path, tmp_path: Path) -> None:
    mine, other = tmp_path / "mine.iso", make_base(tmp_path / "other.iso", padding=MIB)
    mine.write_bytes(base.read_bytes())
    (tmp_path / "link.iso").symlink_to(mine)
    for path in (mine, tmp_path / "link.iso"):
        with refused("DestinationForeign", tmp_path):
            write(mine, path, force=True)  # the base itself
    with refused("DestinationForeign", tmp_path):
        write(base, other)
    with refused("DestinationForeign", tmp_path), open_source(None) as source:
        personalise(source, Output(other, parse_settings(fleet().settings())))
    write(base, mine)  # a copy of the base, or what `reset` left
    write(other, mine)  # of a base that was built again
    write(base, other, force=True)


@pytest.mark.parametrize("left", [40 * 1024, 400 * 1024, 2 * MIB])
def test_a_truncated_base(base: Path, left: int, tmp_path: Path) -> None:
    truncated = tmp_path / "truncated.iso"
    truncated.write_bytes(base.read_bytes()[:left])
    with refused("BaseTruncated", tmp_path):
        write(truncated, tmp_path / "out.iso")


def test_a_base_with_another_checksum(base: Path, tmp_path: Path) -> None:
    with refused("BaseChecksumMismatch", tmp_path):
        write(base, tmp_path / "out.iso", Demands(checksum="sha256:" + "0" * 64))


def test_a_base_that_does_not_boot_as_demanded(tmp_path: Path) -> None:
    only_bios = make_base(tmp_path / "bios.iso", firmware=["bios"])
    with refused("BaseNotBootable", tmp_path):
        write(only_bios, tmp_path / "out.iso")
    none = make_base(tmp_path / "none.iso", firmware=[])
    with refused("BaseNotBootable", tmp_path):
        write(none, tmp_path / "out.iso")
    write(only_bios, tmp_path / "out.iso", Demands(firmware=["bios"]))


def test_a_base_of_another_architecture(base: Path, tmp_path: Path) -> None:
    with refused("WrongArchitecture", tmp_path):
        write(base, tmp_path / "out.iso", Demands(architecture="arm64"))
    write(base, tmp_path / "out.iso", Demands(architecture="x86_64"))
    arm = make_base(tmp_path / "arm.iso", architecture="arm64", firmware=["uefi"])
    write(arm, tmp_path / "out.iso", Demands(architecture="aarch64"))


def test_an_iso_of_an_unknown_system(tmp_path: Path) -> None:
    foreign = make_iso(tmp_path / "foreign.iso", {"/README": b"hello"})
    with refused("BaseUnknown", tmp_path):
        write(foreign, tmp_path / "out.iso")
    with refused("BaseUnknown", tmp_path):
        reset(foreign)


def test_settings_that_are_larger_than_the_area(tmp_path: Path) -> None:
    small = make_base(tmp_path / "small.iso", area=4096)
    with refused("AreaTooSmall", tmp_path):
        write(small, tmp_path / "out.iso")


def test_a_certificate_that_expires_or_fits_nothing_else(tmp_path: Path) -> None:
    good, other = fleet(), fleet(days=31)
    device = good.authority.issue_client("till-1")
    wrong = {
        "CertificateExpired": {"min_validity": 60 * 24 * 3600},
        "KeyMismatch": {"key": other.key},
        "CertificateUntrusted": {"ca": other.ca},
    }
    for reason, change in wrong.items():
        with refused(reason, tmp_path):
            parse_settings(good.settings(**change))
    with refused("KeyMismatch", tmp_path):
        parse_settings(good.settings(key="garbage"))
    for certificate in ("garbage", device.certificate.decode(), good.ca):
        with refused("CertificateUntrusted", tmp_path):
            parse_settings(good.settings(certificate=certificate))
    with refused("CertificateUntrusted", tmp_path):
        parse_settings(good.settings(ca="garbage"))


def test_an_expired_certificate_changes_nothing(base: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.iso"
    write(base, path)
    authority = Authority.create("Test CA")
    pair = authority.issue_registration(until=datetime.now(UTC) - timedelta(seconds=5))
    expired = fleet().settings(
        ca=authority.certificate_pem.decode(),
        certificate=pair.certificate.decode(),
        key=pair.key.decode(),
        min_validity=0,
    )
    with refused("CertificateExpired", tmp_path), open_source(BaseFile(base)) as source:
        personalise(source, Output(path, parse_settings(expired)))


def test_a_full_disk(base: Path, tmp_path: Path) -> None:
    with mount_small_disk(tmp_path / "disk", "4m") as disk:
        path = disk.path / "out.iso"
        write(base, path)
        with refused("NoSpace", disk.path):
            write(base, path, labels={"a": "b"})
        # The space may go between the look at it and the write.
        with refused("NoSpace", disk.path), pytest.MonkeyPatch.context() as patch:
            patch.setattr(outputs, "_require_space", lambda *_: None)
            write(base, path, labels={"a": "b"})


def test_a_directory_that_is_read_only_or_missing(base: Path, tmp_path: Path) -> None:
    with refused("DestinationUnusable", tmp_path):
        write(base, tmp_path / "missing" / "out.iso")
    with mount_small_disk(tmp_path / "disk", "16m") as disk:
        path = disk.path / "out.iso"
        write(base, path)
        disk.remount("ro")
        with refused("DestinationUnusable", disk.path):
            write(base, path, labels={"a": "b"})


def test_a_foreign_file_is_replaced_by_force_only(base: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.iso"
    path.write_text("a thesis")
    with refused("DestinationForeign", tmp_path):
        write(base, path)
    with refused("DestinationForeign", tmp_path):
        write(base, tmp_path, force=True)
    write(base, path, force=True)
    write(base, path, labels={"a": "b"})


def test_two_writers_of_one_directory_wait_for_each_other(base: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.iso"
    with lock_directory(path):
        with refused("DestinationBusy", tmp_path):
            write(base, path, timeout=0)
        second = threading.Thread(target=write, args=(base, path))
        second.start()
        assert second.is_alive()
    second.join(60)
    assert path.exists()


def test_a_base_that_changes_while_it_is_copied(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changing = tmp_path / "changing.iso"
    changing.write_bytes(base.read_bytes())
    copy = outputs.copy_file

    def copy_and_touch(source: int, target: int, size: int) -> None:
        copy(source, target, size)
        os.utime(changing, (0, 0))

    monkeypatch.setattr(outputs, "copy_file", copy_and_touch)
    with refused("VerificationFailed", tmp_path):
        write(changing, tmp_path / "out.iso")


def test_a_base_that_ends_while_it_is_copied(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "base").mkdir()
    ending = tmp_path / "base" / "ending.iso"
    ending.write_bytes(base.read_bytes())
    copy = outputs.copy_file

    def truncate_and_copy(source: int, target: int, size: int) -> None:
        os.truncate(ending, MIB)
        copy(source, target, size)

    monkeypatch.setattr(outputs, "copy_file", truncate_and_copy)
    with refused("BaseTruncated", tmp_path):
        write(ending, tmp_path / "out.iso")


def test_a_program_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with refused("ToolMissing", tmp_path), open_source(None):
        pass


def test_a_program_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "xorriso").write_text("#!/bin/sh\necho no >&2\nexit 5\n")
    (tmp_path / "xorriso").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    with refused("ToolFailed", tmp_path), open_source(None):
        pass


@pytest.mark.parametrize("unnamed", [True, False])
def test_nothing_remains_of_a_process_that_is_killed(
    unnamed: bool, base: Path, tmp_path: Path
) -> None:
    path = tmp_path / "out.iso"
    write(base, path)
    before = path.read_bytes()
    program = f"""
import os, signal
from pathlib import Path
from flotta.images import publication
from flotta.images.personalise import outputs
from flotta.images.personalise.outputs import Output, personalise
from flotta.images.personalise.prepared import BaseFile
from flotta.images.personalise.sources import open_source
from flotta.images.settings.medium import parse_settings
from small_iso import fleet
if not {unnamed}:
    publication.os.O_TMPFILE = os.O_TMPFILE | os.O_CREAT  # which open(2) refuses: EINVAL
def verify(*_):
    print(os.listdir({str(tmp_path)!r}), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
outputs._verify = verify
with open_source(BaseFile(Path({str(base)!r}))) as source:
    settings = parse_settings(fleet().settings())
    personalise(source, Output(Path({str(path)!r}), settings))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == -9, done.stderr
    assert ("flotta-part" in done.stdout) is not unnamed  # it was there, and had a name or none
    wait_until(lambda: os.listdir(tmp_path) == ["out.iso"])
    assert path.read_bytes() == before


def test_a_link_is_removed_with_the_medium_that_it_leads_to(base: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    path, link = tmp_path / "real" / "out.iso", tmp_path / "link.iso"
    link.symlink_to(path)
    write(base, link)
    assert remove(link, check=True).changed
    assert link.is_symlink()
    before = remove(link)
    assert before.manifest is not None
    assert not path.exists()
    assert not link.is_symlink()
    link.symlink_to(tmp_path / "missing" / "out.iso")
    assert remove(link).changed
    assert not remove(link).changed


def test_a_reset_waits_for_who_writes_the_file_that_a_link_leads_to(
    base: Path, tmp_path: Path
) -> None:
    (tmp_path / "real").mkdir()
    path, link = tmp_path / "real" / "out.iso", tmp_path / "link.iso"
    write(base, path)
    link.symlink_to(path)
    with lock_directory(path):
        waiting = threading.Thread(target=reset, args=(link,))
        waiting.start()
        os.replace(shutil.copy(path, tmp_path / "new.iso"), path)
        assert waiting.is_alive()
    waiting.join(60)
    assert path.read_bytes() == base.read_bytes()


def test_file_systems_without_unnamed_files_are_served_too(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publication.os, "O_TMPFILE", os.O_TMPFILE | os.O_CREAT)
    path = tmp_path / "out.iso"
    write(base, path)
    (tmp_path / ".out.iso.flotta-part").write_text("of a power cut")
    write(base, path, labels={"a": "b"})
    assert os.listdir(tmp_path) == ["out.iso"]
    with refused("DestinationUnusable", tmp_path):
        write(base, tmp_path / "missing" / "out.iso")


def test_a_base_on_another_file_system_is_copied(base: Path, tmp_path: Path) -> None:
    with mount_small_disk(tmp_path / "disk", "16m") as disk:
        write(base, disk.path / "out.iso")
        assert (disk.path / "out.iso").stat().st_size == base.stat().st_size

"""The module control_plane_backup, with the real program and no server."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from module_run import loaded, run

from flotta.apiserver.backup import create
from flotta.apiserver.backup.contents import Places
from flotta.apiserver.backup.create import create_backup
from flotta.apiserver.pki import PkiSettings, ensure_pki
from flotta.apiserver.storage.database import Database

SERVER = "https://127.0.0.1:6443"
NAME = re.compile(r"flotta-backup-\d{8}T\d{6}Z\.tar")


class Host:
    """The files of a control plane, and the options that name them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.backups = folder / "backups"
        pki, kubeconfigs = folder / "pki", folder / "kubeconfig"
        ensure_pki(PkiSettings(pki, kubeconfigs, SERVER, ("127.0.0.1",)))
        Database(folder / "state.db").close()
        self.places = Places(folder / "state.db", pki, kubeconfigs, folder / "keys", folder / "env")

    def run(self, check_mode: bool = False, **parameters: Any) -> dict[str, Any]:
        options = {
            "database": str(self.places.database),
            "pki_dir": str(self.places.pki),
            "kubeconfig_dir": str(self.places.kubeconfigs),
            "s3_keys": str(self.places.s3_keys),
            "s3_admin_file": str(self.places.s3_admin),
        }
        return run("control_plane_backup", check_mode, **{**options, **parameters})

    def archive(self, at: datetime, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Return an archive of the series that was written at this time."""
        self.backups.mkdir(exist_ok=True)
        path = self.backups / at.strftime("flotta-backup-%Y%m%dT%H%M%SZ.tar")
        with monkeypatch.context() as patch:
            patch.setattr(create, "format_time", lambda _: at.strftime("%Y-%m-%dT%H:%M:%SZ"))
            create_backup(self.places, path)
        return path


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Host:
    """Return a control plane that no test changes."""
    return Host(tmp_path_factory.mktemp("control-plane"))


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install flotta-apiserver where the module looks for it; return the program."""
    folder = tmp_path / "programs" / "current" / "bin"
    folder.mkdir(parents=True)
    (folder / "python").symlink_to(sys.executable)
    program = folder / "flotta-apiserver"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m flotta.cli.apiserver "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("FLOTTA_PROGRAMS", str(tmp_path / "programs"))
    return program


def test_one_archive_is_written_once_and_again_only_if_told(
    untouched: Host, tmp_path: Path
) -> None:
    dest = tmp_path / "fleet.tar"
    wanted = {"dest": str(dest)}
    tried = untouched.run(check_mode=True, **wanted)
    assert (tried["changed"], tried["path"], dest.exists()) == (True, str(dest), False)
    assert "sha256" not in tried

    first = untouched.run(**wanted)
    assert first["changed"]
    assert stat.S_IMODE(dest.stat().st_mode) == 0o600
    content = dest.read_bytes()
    assert first["sha256"] == hashlib.sha256(content).hexdigest()
    assert first["size"] == len(content)
    assert list(first["contents"]) == ["database", "kubeconfig", "pki"]
    assert first["contents"]["database"]["bytes"] == (untouched.folder / "state.db").stat().st_size
    assert first["diff"]["after"]["sha256"] == first["sha256"]

    again = untouched.run(**wanted)
    assert (again["changed"], again["sha256"]) == (False, first["sha256"])
    assert untouched.run(check_mode=True, force=True, **wanted)["changed"]
    assert dest.read_bytes() == content
    inode = dest.stat().st_ino
    assert untouched.run(force=True, **wanted)["changed"]
    assert dest.stat().st_ino != inode  # the content is the same within a second


def test_the_mode_of_an_archive_is_mended(untouched: Host, tmp_path: Path) -> None:
    dest = tmp_path / "fleet.tar"
    create_backup(untouched.places, dest)
    dest.chmod(0o644)
    assert untouched.run(check_mode=True, dest=str(dest))["changed"]
    assert untouched.run(dest=str(dest))["changed"]
    assert stat.S_IMODE(dest.stat().st_mode) == 0o600
    assert not untouched.run(dest=str(dest), owner=str(os.getuid()))["changed"]


def test_a_series_keeps_the_newest_and_nothing_of_others_goes(
    untouched: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    ages = [timedelta(days=days) for days in (3, 2, 1)]
    old = [str(untouched.archive(now - age, monkeypatch)) for age in ages]
    (untouched.backups / "flotta-backup-notes.tar").touch()
    wanted: dict[str, Any] = {"directory": str(untouched.backups), "max_age": 3600, "keep": 2}

    tried = untouched.run(check_mode=True, **wanted)
    assert (tried["changed"], tried["removed"]) == (True, old[:2])
    assert all(map(os.path.exists, old))
    first = untouched.run(**wanted)
    assert first["removed"] == old[:2]
    assert first["diff"]["after"]["removed"] == old[:2]
    assert NAME.fullmatch(os.path.basename(first["path"]))
    again = untouched.run(**wanted)
    assert (again["changed"], again["path"]) == (False, first["path"])
    left = {os.path.basename(path) for path in (old[2], first["path"])}
    assert set(os.listdir(untouched.backups)) == {*left, "flotta-backup-notes.tar"}
    shutil.rmtree(untouched.backups)


def test_a_backup_that_is_damaged_or_from_the_future_is_not_new_enough(
    untouched: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    damaged = untouched.archive(now - timedelta(seconds=5), monkeypatch)
    damaged.write_bytes(damaged.read_bytes()[:-20_000])
    future = untouched.archive(now + timedelta(days=400), monkeypatch)
    wanted: dict[str, Any] = {"directory": str(untouched.backups), "max_age": 3600}
    for others in ([future], []):
        answer = untouched.run(check_mode=True, **wanted)
        assert answer["changed"]
        assert answer["path"] not in map(str, [damaged, *others])
        future.unlink(missing_ok=True)
    assert f"{damaged} is" in str(answer["warnings"])
    shutil.rmtree(untouched.backups)


def test_backups_from_the_future_neither_count_nor_go(
    untouched: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock was wrong for some days; or it is wrong now, and they are the real ones."""
    now = datetime.now(UTC)
    past = [untouched.archive(now - timedelta(days=days), monkeypatch) for days in (2, 1)]
    future = [untouched.archive(now + timedelta(days=days), monkeypatch) for days in (400, 401)]
    answer = untouched.run(directory=str(untouched.backups), keep=2)
    assert answer["removed"] == [str(past[0])]
    assert f"do not count as backups, and stay: {future[0]}, " in str(answer["warnings"])
    again = untouched.run(directory=str(untouched.backups), keep=2, max_age=3600)
    assert (again["changed"], again["path"]) == (False, answer["path"])
    assert all(path.exists() for path in (past[1], *future))
    shutil.rmtree(untouched.backups)


def test_a_damaged_backup_is_not_one_of_those_that_stay(
    untouched: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    days = [timedelta(days=days) for days in (4, 3, 2, 1)]
    oldest, complete, damaged, newest = [untouched.archive(now - age, monkeypatch) for age in days]
    damaged.write_bytes(damaged.read_bytes()[:-20_000])
    answer = untouched.run(directory=str(untouched.backups), keep=3)
    assert answer["removed"] == [str(oldest)]
    assert f"{damaged} is" in str(answer["warnings"])
    assert complete.exists()
    assert newest.exists()
    shutil.rmtree(untouched.backups)


def test_what_is_no_regular_file_is_left_alone(untouched: Host, tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "flotta-backup-20260101T000000Z.tar")
    for dest in (pipe, Path("/dev/null")):
        answer = untouched.run(dest=str(dest), force=True)
        assert answer["msg"] == f"{dest} is not a regular file; choose another dest."
    answer = untouched.run(check_mode=True, directory=str(tmp_path))
    assert f"{pipe} is not a regular file" in str(answer["warnings"])
    answer = untouched.run(directory=str(pipe))
    assert answer["msg"] == f"{pipe} is not a directory; choose another one."


def test_a_directory_is_made_for_its_owner_alone(untouched: Host, tmp_path: Path) -> None:
    folder = tmp_path / "series"
    assert untouched.run(directory=str(folder), keep=3)["changed"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("force", [False, True])
def test_a_file_that_is_no_backup_is_neither_taken_for_one_nor_replaced(
    untouched: Host, tmp_path: Path, force: bool
) -> None:
    dest = tmp_path / "fleet.tar"
    dest.write_text("a letter")
    answer = untouched.run(dest=str(dest), force=force)
    assert answer["failed"]
    assert "is not a backup of flotta-apiserver" in answer["msg"]
    assert dest.read_text() == "a letter"


def test_a_changed_archive_is_found_out(untouched: Host, tmp_path: Path) -> None:
    dest = tmp_path / "fleet.tar"
    create_backup(untouched.places, dest)
    content = bytearray(dest.read_bytes())
    place = content.index(b"-----BEGIN")
    content[place + 100] ^= 1
    dest.write_bytes(content)
    assert "is not as it was written" in untouched.run(dest=str(dest))["msg"]


def test_nothing_is_written_where_there_is_too_little_space(
    untouched: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = loaded("control_plane_backup")
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage)
    for check_mode in (True, False):
        answer = untouched.run(check_mode=check_mode, dest=str(tmp_path / "fleet.tar"))
        assert "has 1000 bytes of free space, a backup needs" in answer["msg"]


def test_what_is_missing_is_said(
    untouched: Host, tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dest = str(tmp_path / "fleet.tar")
    answer = untouched.run(dest=dest, database=str(tmp_path / "none.db"))
    assert "Run the module on the host of an embedded control plane, as root" in answer["msg"]
    answer = untouched.run(dest=str(tmp_path / "none" / "fleet.tar"))
    assert f"The directory {tmp_path}/none does not exist" in answer["msg"]
    assert "is a directory" in untouched.run(dest=str(tmp_path))["msg"]
    assert "at least one archive stays" in untouched.run(directory=dest, keep=0)["msg"]
    answer = untouched.run(dest=dest, pki_dir=str(tmp_path))
    assert answer["msg"].startswith("flotta-apiserver wrote no backup: the archive is not complete")
    programs.unlink()
    monkeypatch.setattr(loaded("control_plane_backup").programs, "PROGRAMS", ())
    assert "flotta-apiserver is not installed" in untouched.run(dest=dest)["msg"]


@pytest.mark.parametrize("option", ["dest", "directory", "pki_dir", "database", "owner"])
def test_an_empty_option_is_not_the_current_directory(
    untouched: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    place = {} if option in ("dest", "directory") else {"dest": str(tmp_path / "fleet.tar")}
    answer = untouched.run(**{**place, option: ""})
    assert answer["msg"] == f"{option} is empty; give it a value, or leave it out."
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("option", ["owner", "group"])
def test_an_owner_who_does_not_exist_is_refused_before_anything_is_written(
    untouched: Host, tmp_path: Path, option: str
) -> None:
    dest = tmp_path / "fleet.tar"
    answer = untouched.run(dest=str(dest), **{option: "nosuchname"})
    assert f"{option} is nosuchname, which this machine does not know" in answer["msg"]
    assert not dest.exists()


def test_an_age_without_a_series_is_refused(untouched: Host, tmp_path: Path) -> None:
    answer = untouched.run(dest=str(tmp_path / "fleet.tar"), max_age=5)
    assert "max_age" in answer["msg"]
    assert "directory" in answer["msg"]

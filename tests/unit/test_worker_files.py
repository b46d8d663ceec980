"""The files of a workload on the device."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from immutable_files import refuse_removal

from deep_directories import deep_directory
from flotta.protocol.models import DataConfiguration, DataPath, ImageRegistries, Workload
from flotta.tree_removal import RemovalFailure
from flotta.worker.workloads import files as workload_files
from flotta.worker.workloads.files import WorkloadFiles
from flotta.worker.workloads.manifest import build_pod
from flotta.worker.workloads.pod_facts import DeviceFacts
from small_disk import mount_small_disk


def test_files_of_a_workload_come_and_go_whole(tmp_path: Path) -> None:
    files = WorkloadFiles(tmp_path / "workloads", tmp_path / "volumes", tmp_path / "units")
    workload = Workload(name="web", specification="containers: [{name: c, image: x}]")
    pod = build_pod(workload, [], DeviceFacts("d"), files.paths_of("web"))

    assert files.write_pod(pod)
    assert not files.write_pod(pod)
    assert files.list_installed()["web"].digest == pod.digest
    manifest = files.paths_of("web").manifest
    assert manifest.stat().st_mode & 0o777 == 0o600
    assert manifest.parent.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "volumes/web").is_dir()
    assert (tmp_path / "units/multi-user.target.wants" / files.unit_of("web")).is_symlink()

    (manifest.parent / "workload.json").write_bytes(b"{")
    assert files.list_installed()["web"].digest == ""

    files.remove_workload("web")
    files.remove_workload("web")
    left = [path for path in tmp_path.rglob("*") if "web" in path.name]
    assert (files.list_installed(), left) == ({}, [])


def installed(tmp_path: Path, name: str = "web") -> WorkloadFiles:
    files = WorkloadFiles(tmp_path / "workloads", tmp_path / "volumes", tmp_path / "units")
    workload = Workload(
        name=name,
        specification="containers: [{name: c, image: x}]",
        image_registries=ImageRegistries(auth_file="{}"),
        data=DataConfiguration(egress=[DataPath(source="out", target="in")]),
    )
    files.write_pod(build_pod(workload, [], DeviceFacts("d"), files.paths_of(name)))
    return files


def test_a_file_that_cannot_be_removed_keeps_no_secret_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = installed(tmp_path)
    paths = files.paths_of("web")
    (paths.directory / ".pod.yaml.k2x").write_text("of an interrupted write")
    (paths.export / "a").mkdir()
    for name in ("a/stubborn", "a/other", "b"):
        (paths.export / name).write_text("")
    with monkeypatch.context() as patch:
        refuse_removal(patch, {"stubborn"})
        left = files.remove_workload("web")

    assert left.secrets == []
    assert [failure.path for failure in left.others] == [f"{paths.export}/a/stubborn"]
    assert os.listdir(paths.directory) == ["workload.json"]
    assert [path.name for path in paths.export.rglob("*")] == ["a", "stubborn"]
    assert not list((tmp_path / "units").rglob("podman-kube*"))
    # After a restart it counts as installed, without files to send.
    assert files.list_installed()["web"].data is None

    assert files.remove_workload("web").all == []
    assert files.list_installed() == {}
    assert not paths.export.exists()


def test_an_export_directory_of_any_depth_is_removed(tmp_path: Path) -> None:
    files = installed(tmp_path)
    with deep_directory(files.paths_of("web").export, 1200):
        assert files.remove_workload("web").all == []
        assert os.listdir(tmp_path / "volumes") == []


def test_everything_goes_also_what_no_record_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two", "web"):
        files = installed(tmp_path, name)
    (tmp_path / "workloads/.web.tmp").mkdir()
    (tmp_path / "workloads/file").write_text("")
    (tmp_path / "volumes/stray").mkdir()
    (tmp_path / "volumes/one/stubborn").write_text("")
    with monkeypatch.context() as patch:
        refuse_removal(patch, {"stubborn"})
        left = files.remove_all(["late"])

    assert [failure.path for failure in left.all] == [f"{tmp_path}/volumes/one/stubborn"]
    assert (os.listdir(tmp_path / "workloads"), os.listdir(tmp_path / "volumes")) == (
        ["one"],
        ["one"],
    )
    assert files.remove_all().all == []
    assert (os.listdir(tmp_path / "workloads"), os.listdir(tmp_path / "volumes")) == ([], [])


def test_a_removal_of_everything_ends_where_it_is_told(tmp_path: Path) -> None:
    for name in ("one", "two", "web"):
        files = installed(tmp_path, name)
    answers = iter([True, True, True, True, False])  # Secrets of all three, then the rest
    files.remove_all(proceed=lambda: next(answers))
    assert list(files.list_installed()) == ["two", "web"]


def test_an_export_directory_on_a_disk_of_its_own_is_emptied(tmp_path: Path) -> None:
    files = installed(tmp_path)
    export = files.paths_of("web").export
    export.rmdir()
    with mount_small_disk(export) as disk:
        (disk.path / "a/b").mkdir(parents=True)
        with mount_small_disk(disk.path / "a/foreign") as foreign:
            (foreign.path / "kept").write_text("")
            left = files.remove_workload("web")
            assert [failure.path for failure in left.all] == [f"{export}/a/foreign"]
            assert "unmount it" in left.all[0].reason
            assert (foreign.path / "kept").exists()
        assert files.remove_workload("web").all == []
        assert os.listdir(export) == []
    assert files.list_installed() == {}


def test_a_damaged_or_huge_record_is_like_none(tmp_path: Path) -> None:
    files = installed(tmp_path)
    record = files.paths_of("web").directory / "workload.json"
    for content in (b"[" * 100_000, b"\xff", b'{"digest": 5}', b""):
        record.write_bytes(content)
        assert files.list_installed()["web"].digest == ""
    os.truncate(record, 1 << 40)
    assert files.list_installed()["web"].digest == ""
    record.unlink()
    os.mkfifo(record)
    assert files.list_installed()["web"].digest == ""


def test_secrets_of_every_workload_go_before_the_files_of_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        files = installed(tmp_path, name)

    def stop(path: Path) -> list[RemovalFailure]:
        assert not list((tmp_path / "workloads").rglob("pod.yaml"))
        raise KeyboardInterrupt  # as if the power were cut

    monkeypatch.setattr(workload_files, "_remove_export", stop)
    with pytest.raises(KeyboardInterrupt):
        files.remove_all()

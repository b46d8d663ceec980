"""The files of a workload on the device."""

from __future__ import annotations

from pathlib import Path

from flotta.protocol.models import Workload
from flotta.worker.workloads.files import WorkloadFiles
from flotta.worker.workloads.manifest import build_pod


def test_files_of_a_workload_come_and_go_whole(tmp_path: Path) -> None:
    files = WorkloadFiles(tmp_path / "workloads", tmp_path / "volumes", tmp_path / "units")
    workload = Workload(name="web", specification="containers: [{name: c, image: x}]")
    pod = build_pod(workload, [], "d", files.paths_of("web"))

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

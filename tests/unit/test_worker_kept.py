"""What stands on a device stays while its successor cannot be had."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from flotta.mount_points import list_configured, list_mount_points
from flotta.protocol.models import (
    DataConfiguration,
    DataPath,
    DeviceConfigurationMessage,
    Workload,
)
from flotta.worker.known_mounts import KnownMounts
from flotta.worker.systemd import UnitState
from flotta.worker.workloads.desired import Desired, build_desired
from flotta.worker.workloads.disk_errors import describe_disk_error
from flotta.worker.workloads.files import WorkloadFiles
from flotta.worker.workloads.manifest import Pod, build_pod
from flotta.worker.workloads.pod_facts import DeviceFacts
from flotta.worker.workloads.records import FORMAT, WorkloadRecord
from flotta.worker.workloads.stale_files import remove_stale_parts
from flotta.worker.workloads.steps import (
    Current,
    FetchImages,
    FlushData,
    NoteData,
    RemoveFiles,
    StartPod,
    StopPod,
    WriteFiles,
    plan_kept,
    plan_removal,
    plan_steps,
)

SPECIFICATION = "containers: [{name: c, image: i}]"
KEPT = DataConfiguration(egress=[DataPath(source="a", target="b")], retention="Keep")
STOPPED = UnitState("inactive", "dead", invocation="1")
RUNNING = UnitState("active", "running", invocation="1")


@pytest.fixture
def files(tmp_path: Path) -> WorkloadFiles:
    return WorkloadFiles(tmp_path / "state/workloads", tmp_path / "volumes", tmp_path / "units")


def make_pod(
    files: WorkloadFiles,
    data: DataConfiguration | None = None,
    mounts: tuple[str, ...] = (),
) -> Pod:
    workload = Workload(name="web", specification=SPECIFICATION, data=data)
    return build_pod(workload, [], DeviceFacts(mounts=mounts), files.paths_of("web"))


def install(files: WorkloadFiles, data: DataConfiguration | None = None) -> Path:
    files.write_pod(make_pod(files, data))
    file = files.paths_of("web").export / "state.db"
    file.write_text("data")
    return file


def record(policy: str = "Always", data: DataConfiguration | None = None) -> WorkloadRecord:
    return WorkloadRecord("digest", data, FORMAT, restart_policy=policy)


@pytest.mark.parametrize("data", [None, DataConfiguration(), DataConfiguration(retention="Delete")])
def test_files_go_with_their_workload(files: WorkloadFiles, data: DataConfiguration | None) -> None:
    file = install(files, data)
    assert files.remove_workload("web").all == []
    assert not file.parent.exists()
    assert files.list_installed() == {}


def test_files_that_are_kept_are_there_for_the_next_workload_of_the_name(
    files: WorkloadFiles,
) -> None:
    file = install(files, KEPT)
    assert files.remove_workload("web").all == []
    assert files.list_installed() == {}
    files.write_pod(make_pod(files))
    assert file.read_text() == "data"


def test_a_device_that_leaves_keeps_nothing(files: WorkloadFiles) -> None:
    file = install(files, KEPT)
    files.remove_workload("web")
    assert files.remove_all().all == []
    assert not file.parent.exists()


def test_files_are_kept_by_the_second_attempt_at_a_removal_too(
    files: WorkloadFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = install(files, KEPT)
    with monkeypatch.context() as patch:
        patch.setattr(
            "flotta.worker.workloads.files.remove_mounts", lambda _: ["something is left"]
        )
        assert files.remove_workload("web").all
    assert files.list_installed()["web"].data == DataConfiguration(retention="Keep")
    assert files.remove_workload("web").all == []
    assert file.read_text() == "data"


def test_files_stay_where_nobody_knows_whether_they_are_to_be_kept(files: WorkloadFiles) -> None:
    file = install(files)
    (files.paths_of("web").directory / "workload.json").write_bytes(b"\0\0\0")
    assert files.remove_workload("web").all == []
    assert file.read_text() == "data"


def test_what_becomes_of_files_is_noted_before_an_image_is_pulled(files: WorkloadFiles) -> None:
    pod = make_pod(files, KEPT)
    older = Current(record())
    assert plan_steps("web", pod, older) == (
        NoteData("web", KEPT),
        FetchImages(pod, refresh=True),
        WriteFiles(pod),
        StartPod("web"),
    )
    install(files)
    files.write_data("web", KEPT)
    assert files.list_installed()["web"].data == KEPT
    assert files.list_installed()["web"].digest == pod.digest


@pytest.mark.parametrize(
    ("policy", "unit", "interrupted", "resting", "starts"),
    [
        ("Always", STOPPED, False, False, True),
        ("Always", RUNNING, False, False, False),
        ("Always", UnitState("activating", "auto-restart"), False, False, False),
        ("Always", STOPPED, False, True, False),
        ("Never", STOPPED, False, False, False),
        ("Never", STOPPED, True, False, True),
        ("", STOPPED, False, False, False),
    ],
)
def test_an_installed_pod_runs_on_while_its_successor_cannot_be_had(
    policy: str, unit: UnitState, interrupted: bool, resting: bool, starts: bool
) -> None:
    current = Current(record(policy), unit)
    steps = plan_kept("web", current, None, crash_looping=resting, interrupted=interrupted)
    assert steps == ((StartPod("web", is_long=True),) if starts else ())


def test_the_last_configuration_says_what_a_removal_leaves(files: WorkloadFiles) -> None:
    install(files)
    before = Desired({"web": make_pod(files, KEPT)})
    empty = Desired().follow(before, files.list_installed())
    for desired in (empty, Desired().follow(empty, files.list_installed())):
        current = Current(files.list_installed()["web"])
        noted, *steps = plan_removal("web", current, desired.leaving_data)
        assert noted == NoteData("web", KEPT)
        assert steps == [StopPod("web"), FlushData("web"), RemoveFiles("web")]
    files.write_data("web", KEPT)
    files.remove_workload("web")
    assert files.paths_of("web").export.exists()
    assert Desired().follow(empty, files.list_installed()).leaving_data == {}


def test_a_second_attempt_at_a_removal_sends_nothing_again(files: WorkloadFiles) -> None:
    steps = plan_removal("web", Current(WorkloadRecord()), {"web": KEPT})
    assert steps == (StopPod("web"), FlushData("web"), RemoveFiles("web"))


def test_nothing_is_started_of_what_was_never_complete() -> None:
    assert plan_kept("web", Current(WorkloadRecord(data=KEPT)), KEPT) == ()
    assert plan_kept("web", Current(), KEPT) == ()


def test_an_absent_file_system_is_no_reason_to_make_or_remove_anything(tmp_path: Path) -> None:
    volumes, state = tmp_path / "volumes", tmp_path / "state"
    state.mkdir()
    mounted = [str(volumes / "web")]
    known = KnownMounts(volumes, state, lambda: mounted, list)
    known.learn()
    files = WorkloadFiles(state / "workloads", volumes, tmp_path / "units", known_mounts=known)
    file = install(files, KEPT)
    files.write_data("web", DataConfiguration(egress=KEPT.egress))

    mounted.clear()
    again = KnownMounts(volumes, state, lambda: mounted, list)
    assert again.known == (str(volumes / "web"),)
    assert "is not mounted" in again.describe_absent("web")
    assert again.describe_absent("other") == ""
    with pytest.raises(OSError, match="is not mounted"):
        files.write_pod(make_pod(files))
    left = files.remove_workload("web")
    assert "is not mounted" in left.others[0].reason
    assert file.read_text() == "data"
    assert files.list_installed()["web"].data == DataConfiguration(egress=KEPT.egress)

    mounted.append(str(volumes / "web"))
    assert files.remove_workload("web").all == []
    assert not file.exists()
    assert known.known == ()


def test_what_is_emptied_may_be_unmounted(tmp_path: Path) -> None:
    mounted = ["/v/web/data"]
    known = KnownMounts(Path("/v"), tmp_path, lambda: mounted, list)
    known.learn()
    known.forget_workload("web")
    known.learn()  # it is mounted until somebody unmounts it
    mounted.clear()
    assert known.describe_absent("web") == ""
    mounted.append("/v/web/data")
    known.expect_workload("web")
    known.learn()
    assert known.known == ("/v/web/data",)


def test_a_pod_waits_for_the_file_systems_of_its_files(files: WorkloadFiles) -> None:
    export = str(files.paths_of("web").export)
    mounts = (export, f"{export}/a b", f"{export}ish", "/other")
    pod = make_pod(files, mounts=mounts)
    assert pod.mounts == (export, f"{export}/a b")
    files.write_pod(pod)
    (drop_in,) = files.units_dir.glob("podman-kube@*/50-flotta.conf")
    text = drop_in.read_text()
    assert f'RequiresMountsFor="{export}/a b"\n' in text
    assert "mountpoint -q" in text
    assert plan_steps("web", replace(pod, mounts=()), Current(files.list_installed()["web"]))


def test_mount_points_are_read_with_any_character(tmp_path: Path) -> None:
    info, fstab = tmp_path / "mountinfo", tmp_path / "fstab"
    info.write_text("29 1 0:1 / /a\\040b rw - tmpfs tmpfs rw\n30 1 0:1 / /c rw - tmpfs x rw\n")
    fstab.write_text(
        "# a comment\n/dev/sda1 /data/ ext4 defaults 0 2\nUUID=1 /late ext4 noauto,nofail\n"
        "/dev/sdb none swap sw 0 0\n/dev/sdc /with\\040space ext4 nofail\n"
    )
    assert list_mount_points(info) == ["/a b", "/c"]
    assert list_configured(fstab) == ["/data", "/with space"]
    assert list_configured(tmp_path / "absent") == []


def test_only_file_systems_that_exports_are_on_are_remembered(tmp_path: Path) -> None:
    volumes = Path("/var/local/yggdrasil/device/volumes")
    mounted = ["/", "/var", "/var/local", str(volumes / "web/data"), "/srv", "/var/lib/flotta"]
    known = KnownMounts(volumes, Path("/var/lib/flotta/worker"), lambda: mounted, lambda: ["/home"])
    known.learn()
    assert known.known == ("/var/local", str(volumes / "web/data"))


@pytest.mark.parametrize("link", ["device", "device/volumes", "device/volumes/web"])
def test_file_systems_that_symbolic_links_lead_to_are_remembered(tmp_path: Path, link: str) -> None:
    tmp_path = tmp_path.resolve()
    state, disk = tmp_path / "state", tmp_path / "disk"
    state.mkdir()
    (tmp_path / link).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / link).symlink_to(disk / "flotta")
    volumes = tmp_path / "device/volumes"
    mounted = [str(disk), str(tmp_path / "elsewhere")]
    known = KnownMounts(volumes, state, lambda: mounted, list)
    known.learn()
    assert known.known == (str(disk),)

    mounted.clear()  # and what is on it is not there
    late = KnownMounts(volumes, state, lambda: mounted, list)
    files = WorkloadFiles(state / "workloads", volumes, tmp_path / "units", known_mounts=late)
    assert f"{disk} is not mounted" in late.describe_absent("web")
    pod = make_pod(files, mounts=late.known)
    assert pod.mounts == (str(disk),)
    with pytest.raises(OSError, match="is not mounted"):
        files.write_pod(pod)

    mounted.append(str(disk))
    (disk / "flotta").mkdir(parents=True)
    files.write_pod(pod)
    (drop_in,) = files.units_dir.glob("podman-kube@*/50-flotta.conf")
    where = (volumes / "web").resolve()
    assert f"RequiresMountsFor={where}\n" in drop_in.read_text()
    assert f"RequiresMountsFor={disk}\n" in drop_in.read_text()


def test_the_file_system_of_a_symbolic_link_is_remembered_too(tmp_path: Path) -> None:
    tmp_path = tmp_path.resolve()
    (tmp_path / "local").mkdir()
    (tmp_path / "local/device").symlink_to(tmp_path / "disk")
    mounted = [str(tmp_path / "disk"), str(tmp_path / "local")]
    known = KnownMounts(tmp_path / "local/device/volumes", tmp_path / "s", lambda: mounted, list)
    known.learn()
    assert known.known == (str(tmp_path / "disk"), str(tmp_path / "local"))


def test_fstab_may_name_mount_points_by_symbolic_links(tmp_path: Path) -> None:
    fstab = tmp_path / "fstab"
    (tmp_path / "link").symlink_to("disk")
    fstab.write_text(f"/dev/sda1 {tmp_path}/link ext4 defaults 0 2\n")
    assert list_configured(fstab) == [str(tmp_path.resolve() / "disk")]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(28, "No space left on device", "/a/.pod.yaml.x81k"), "/a: no space is left"),
        (OSError(30, "Read-only file system", "/a/b"), "/a/b: the file system is read-only"),
        (OSError(13, "Permission denied", "/a/b"), "/a/b: Permission denied"),
        (OSError(2, "/a is not mounted"), "/a is not mounted"),
    ],
)
def test_an_error_of_the_disk_is_the_same_sentence_each_time(error: OSError, sentence: str) -> None:
    assert describe_disk_error(error).startswith(sentence)


def list_contents(directory: Path) -> dict[str, bytes]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


@pytest.mark.parametrize("written", range(12))
def test_a_disk_that_is_full_in_the_middle_of_a_change_loses_nothing(
    files: WorkloadFiles, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    def build(value: str) -> Pod:
        spec = {
            "containers": [
                {
                    "name": "c",
                    "image": "i",
                    "volumeMounts": [{"name": value, "mountPath": "/v", "subPath": "a"}],
                    "lifecycle": {"preStop": {"exec": {"command": [value]}}},
                    "readinessProbe": {"exec": {"command": [value]}},
                }
            ],
            "initContainers": [{"name": "first", "image": value}],
            "volumes": [{"name": value, "emptyDir": {}}, {"name": "f", "configMap": {"name": "m"}}],
        }
        config_map = json.dumps({"metadata": {"name": "m"}, "data": {"k": value}})
        workload = Workload(
            name="web", specification=json.dumps(spec), configmaps=[config_map], data=KEPT
        )
        return build_pod(workload, [], DeviceFacts(), files.paths_of("web"))

    replace, left = os.replace, [written]

    def replace_or_fail(source: str, target: Path) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        replace(source, target)

    old, new = build("old"), build("new")
    paths = files.paths_of("web")
    files.write_pod(old)
    (paths.export / "state.db").write_text("data")
    with monkeypatch.context() as full:
        full.setattr(os, "replace", replace_or_fail)
        with contextlib.suppress(OSError):
            files.write_pod(new)
    found = files.list_installed()["web"]
    assert found.digest == (old.digest if left[0] < 0 else new.digest)
    assert found.is_kept
    assert [path for path in list_contents(paths.directory) if "/." in f"/{path}"] == []
    files.write_pod(new)
    remove_stale_parts(new, paths)
    changed = list_contents(files.units_dir), list_contents(paths.directory)
    assert (paths.export / "state.db").read_text() == "data"
    assert files.remove_workload("web", with_kept=True).all == []
    files.write_pod(new)
    assert changed == (list_contents(files.units_dir), list_contents(paths.directory))


def test_the_record_of_an_earlier_release_is_read(files: WorkloadFiles) -> None:
    directory = files.paths_of("web").directory
    directory.mkdir(parents=True)
    (directory / "workload.json").write_bytes(
        msgspec.json.encode({"digest": "d", "data": {"egress": []}, "format": 5})
    )
    assert files.list_installed()["web"] == WorkloadRecord("d", DataConfiguration(egress=[]), 5)


def test_a_held_workload_keeps_its_files_where_its_successor_says_so(files: WorkloadFiles) -> None:
    install(files)
    message = DeviceConfigurationMessage(
        unresolved_workloads=["web"], unresolved_data={"web": KEPT, "unknown": KEPT}
    )
    held = build_desired(message, DeviceFacts("d"), files)
    assert (held.held, held.broken_data) == ({"web"}, {"web": KEPT})
    gone = build_desired(DeviceConfigurationMessage(), DeviceFacts("d"), files)
    assert gone.follow(held, ["web"]).leaving_data == {"web": KEPT}

"""What workloads and data synchronisation say in heartbeats and events."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from immutable_files import refuse_removal
from msgspec.structs import replace

from flotta.protocol.models import (
    DataConfiguration,
    DeviceConfiguration,
    DeviceConfigurationMessage,
    Heartbeat,
    S3StorageConfiguration,
    StorageConfiguration,
    Workload,
    WorkloadStatus,
)
from flotta.sync.loop import SyncLoop
from flotta.worker import podman, podman_storage, systemd
from flotta.worker.data.feature import DataFeature
from flotta.worker.errors import WipeError
from flotta.worker.podman_storage import StoredVolume
from flotta.worker.settings import Settings
from flotta.worker.workloads import retry, wiping
from flotta.worker.workloads.feature import WorkloadsFeature
from flotta.worker.workloads.files import WorkloadFiles, WorkloadRecord
from flotta.worker.workloads.observer import Observer
from waiting import eventually

PLAIN = "containers: [{name: c, image: x}]"


class Listener:
    """The agent as far as a feature sees it; keeps what it is asked for."""

    device_id = "device-1"
    may_remove = True

    def __init__(self) -> None:
        self.requests = 0
        self.events: list[tuple[str, str]] = []

    def request_heartbeat(self) -> None:
        self.requests += 1

    def add_warning(self, reason: str, message: str, *, workload: str = "") -> None:
        self.events.append((reason, workload))


class BrokenTransfers:
    """Transfers that all failed; records which workloads are being removed."""

    def __init__(self) -> None:
        self.leaving: list[str] = []

    def keep_leaving(self, leaving: Mapping[str, DataConfiguration | None]) -> None:
        self.leaving = list(leaving)

    async def flush_workload(self, name: str, data: DataConfiguration | None) -> None:
        raise AssertionError

    def add_transfer_status(self, status: WorkloadStatus) -> str:
        status.files_up = 3
        return "no bucket"


def workloads(tmp_path: Path) -> tuple[WorkloadsFeature, Listener, BrokenTransfers]:
    settings = Settings(state_dir=tmp_path / "state", volumes_dir=tmp_path / "volumes")
    listener, transfers = Listener(), BrokenTransfers()
    return WorkloadsFeature(settings, listener, transfers), listener, transfers


def message(*configured: Workload) -> DeviceConfigurationMessage:
    return DeviceConfigurationMessage(workloads=list(configured))


async def test_what_is_wrong_with_a_pod_hides_what_is_wrong_with_its_files(tmp_path: Path) -> None:
    feature, listener, _ = workloads(tmp_path)
    feature.configure(message(Workload(name="web", specification=PLAIN), Workload(name="bad")))
    heartbeat = Heartbeat()

    await feature.report(heartbeat)

    assert [
        (status.name, status.status, status.reason, status.files_up)
        for status in heartbeat.workloads or []
        if status is not None
    ] == [("web", "Deploying", "DataSyncFailed", 3), ("bad", "Error", "InvalidSpecification", 3)]
    assert listener.events == [("InvalidSpecification", "bad")]
    assert listener.requests == 1


async def test_a_failure_is_an_event_once(tmp_path: Path) -> None:
    feature, listener, _ = workloads(tmp_path)

    for _ in range(2):
        feature.configure(message(Workload(name="bad")))

    assert listener.events == [("InvalidSpecification", "bad")]
    assert listener.requests == 1


async def test_each_field_that_is_refused_is_an_event_also_while_an_older_pod_runs_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feature, listener, transfers = workloads(tmp_path)
    (tmp_path / "state/workloads/web").mkdir(parents=True)
    running = podman.Container("1", "c", "web", "", "running", 0, 1)
    monkeypatch.setattr(Observer, "containers_of", lambda *_: [running])
    monkeypatch.setattr(Observer, "unit_state", lambda *_: systemd.UnitState("active"))
    messages = []

    for field in ("hostPID: true", "hostPID: true", "nodeName: a"):
        feature.configure(message(Workload(name="web", specification=f"{PLAIN}\n{field}")))
        heartbeat = Heartbeat()
        await feature.report(heartbeat)
        messages += [status.message for status in heartbeat.workloads or [] if status]
        assert [status and status.status for status in heartbeat.workloads or []] == ["Running"]

    assert [text.partition(":")[0] for text in messages] == [
        "spec.pod.spec.hostPID",
        "spec.pod.spec.hostPID",
        "spec.pod.spec.nodeName",
    ]
    assert listener.events == [("UnsupportedField", "web")] * 2
    assert transfers.leaving == []


async def test_a_workload_that_is_no_longer_configured_is_removed_with_its_files(
    tmp_path: Path,
) -> None:
    feature, _, transfers = workloads(tmp_path)
    (tmp_path / "state/workloads/old").mkdir(parents=True)

    feature.configure(message(Workload(name="web", specification=PLAIN)))

    assert transfers.leaving == ["old"]


async def test_a_workload_that_the_control_plane_cannot_deliver_now_stays_with_its_files(
    tmp_path: Path,
) -> None:
    feature, _, transfers = workloads(tmp_path)
    for name in ("till", "old"):
        (tmp_path / "state/workloads" / name).mkdir(parents=True)
    heartbeat = Heartbeat()

    feature.configure(replace(message(), unresolved_workloads=["till", "elsewhere"]))
    await feature.report(heartbeat)

    assert transfers.leaving == ["old", "till"]  # which is still synchronised
    assert [status and status.name for status in heartbeat.workloads or []] == ["till"]


async def test_an_old_configuration_removes_nothing_and_what_stays_is_reported(
    tmp_path: Path,
) -> None:
    feature, listener, transfers = workloads(tmp_path)
    (tmp_path / "state/workloads/newer").mkdir(parents=True)
    heartbeat = Heartbeat()
    listener.may_remove = False

    feature.configure(message(Workload(name="web", specification=PLAIN)))
    await feature.report(heartbeat)

    assert transfers.leaving == ["newer"]  # which is still synchronised
    assert [status and status.name for status in heartbeat.workloads or []] == ["web", "newer"]


async def test_a_workload_that_turns_out_broken_while_it_is_changed_keeps_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: object) -> None:
        return

    monkeypatch.setattr(BrokenTransfers, "flush_workload", nothing)
    monkeypatch.setattr(Observer, "refresh", nothing)
    monkeypatch.setattr(Observer, "run", nothing)
    feature, _, _ = workloads(tmp_path)
    Podman(monkeypatch, [])
    pulling = asyncio.Event()

    async def find_missing_images(_: object) -> list[str]:
        pulling.set()
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(podman, "find_missing_images", find_missing_images)
    (tmp_path / "state/workloads/web").mkdir(parents=True)
    (tmp_path / "volumes/web").mkdir(parents=True)
    running = asyncio.create_task(feature.run())
    feature.configure(message(Workload(name="web", specification=PLAIN)))
    await pulling.wait()

    feature.configure(message(Workload(name="web", specification="containers: []")))
    while any(task.get_name() == "workload web" for task in asyncio.all_tasks()):
        await asyncio.sleep(0)

    assert (tmp_path / "volumes/web").exists()
    running.cancel()


async def test_storage_that_cannot_be_used_is_an_event(tmp_path: Path) -> None:
    (tmp_path / "volumes").mkdir()
    listener = Listener()
    feature = DataFeature(SyncLoop(tmp_path, tmp_path / "volumes"), listener)
    s3 = S3StorageConfiguration(bucket_name="b", bucket_host="h", aws_access_key_id="%")
    storage = StorageConfiguration(s3=s3)

    feature.configure(
        DeviceConfigurationMessage(configuration=DeviceConfiguration(storage=storage))
    )

    assert listener.events == [("InvalidStorage", "")]


async def list_no_volumes() -> list[StoredVolume]:
    return []


class Podman:
    """Lists `pods` by turns, the last one for ever; records which pods are removed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *pods: list[str] | None) -> None:
        self.lists = list(pods)
        self.removed: list[str] = []

        async def stop(_: str) -> bool:
            return True

        async def reload() -> bool:
            return True

        monkeypatch.setattr(podman, "list_pods", self.list_pods)
        monkeypatch.setattr(podman, "remove_pod", self.remove_pod)
        monkeypatch.setattr(podman_storage, "list_volumes", list_no_volumes)
        monkeypatch.setattr(systemd, "stop", stop)
        monkeypatch.setattr(systemd, "reload", reload)
        monkeypatch.setattr(wiping, "WIPE_DELAYS", (0.0, 0.0, 0.0))

    async def list_pods(self) -> list[str] | None:
        return self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]

    async def remove_pod(self, name: str) -> bool:
        self.removed.append(name)
        return True


async def test_a_wipe_removes_what_starts_while_it_removes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feature, _, _ = workloads(tmp_path)
    (tmp_path / "volumes/late").mkdir(parents=True)  # podman makes it when the pod starts
    device = Podman(monkeypatch, ["web"], ["late"], ["late"], [])

    await feature.wipe()

    assert device.removed == ["web", "late"]
    assert not (tmp_path / "volumes/late").exists()


async def test_a_pod_of_another_name_does_not_hold_up_a_wipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feature, _, _ = workloads(tmp_path)
    device = Podman(monkeypatch, ["Not_Ours", "web"], [])

    await feature.wipe()

    assert device.removed == ["Not_Ours", "web"]


async def test_a_wipe_removes_installed_workloads_without_a_pod(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feature, _, _ = workloads(tmp_path)
    (tmp_path / "state/workloads/web").mkdir(parents=True)
    (tmp_path / "volumes/web").mkdir(parents=True)
    Podman(monkeypatch, [])

    await feature.wipe()

    assert not (tmp_path / "state/workloads/web").exists()
    assert not (tmp_path / "volumes/web").exists()


@pytest.mark.parametrize(
    ("pods", "left"), [(["web"], "pods web"), (None, "pods that it does not list")]
)
async def test_a_wipe_that_leaves_a_pod_is_an_error(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    pods: list[str] | None,
    left: str,
) -> None:
    feature, _, _ = workloads(tmp_path)
    Podman(monkeypatch, pods)

    with pytest.raises(WipeError, match=left):
        await feature.wipe()
    assert "[RemovalIncomplete]" in caplog.text


def install(tmp_path: Path, *names: str) -> None:
    for name in names:
        (tmp_path / f"state/workloads/{name}/files").mkdir(parents=True)
        (tmp_path / f"state/workloads/{name}/pod.yaml").write_text("secret")
        (tmp_path / f"volumes/{name}").mkdir(parents=True)


async def test_a_pods_file_keeps_neither_the_device_nor_other_workloads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    feature, _, _ = workloads(tmp_path)
    install(tmp_path, "one", "two")
    (tmp_path / "volumes/one/stubborn").write_text("")
    Podman(monkeypatch, ["one"], [])
    monkeypatch.setattr(wiping, "LEFTOVER_RETRY", (0.0, 0.0))
    with monkeypatch.context() as patch:
        refuse_removal(patch, {"stubborn"})
        await feature.wipe()  # the device is removed from the fleet all the same
        assert os.listdir(tmp_path / "volumes") == ["one"]
        record = tmp_path / "state/workloads/one/workload.json"
        assert [path for path in (tmp_path / "state").rglob("*") if path.is_file()] == [record]
        assert "chattr -i" in caplog.text
        assert f"{tmp_path}/volumes/one/stubborn" in caplog.text
    await eventually(lambda: not os.listdir(tmp_path / "state/workloads"))
    assert os.listdir(tmp_path / "volumes") == []


async def test_a_secret_that_is_left_is_an_error_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feature, _, _ = workloads(tmp_path)
    install(tmp_path, "one", "two")
    Podman(monkeypatch, [])
    refuse_removal(monkeypatch, {"pod.yaml"})
    with pytest.raises(WipeError, match=r"pod\.yaml.*chattr -i"):
        await feature.wipe()
    assert os.listdir(tmp_path / "volumes") == []


async def test_a_pod_that_cannot_be_stopped_stops_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feature, _, _ = workloads(tmp_path)
    install(tmp_path, "one", "two")
    Podman(monkeypatch, [])

    async def stop(_: str) -> bool:
        raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr(systemd, "stop", stop)
    await feature.wipe()
    assert os.listdir(tmp_path / "volumes") == []


async def test_a_removal_that_is_not_complete_is_an_event_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feature, listener, _ = workloads(tmp_path)
    install(tmp_path, "old")
    (tmp_path / "volumes/old/stubborn").write_text("")
    Podman(monkeypatch, [])
    monkeypatch.setattr(retry, "WORKLOAD_RETRY", (0.0, 0.0))
    with monkeypatch.context() as patch:
        refuse_removal(patch, {"stubborn"})
        feature.configure(message())
        running = asyncio.create_task(feature.run())
        await eventually(lambda: listener.events == [("RemovalIncomplete", "")])
        assert not (tmp_path / "state/workloads/old/pod.yaml").exists()
    await eventually(lambda: os.listdir(tmp_path / "volumes") == [])
    running.cancel()
    await asyncio.wait((running,))


async def test_without_a_configuration_what_is_installed_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Observer, "refresh", nothing)
    feature, _, _ = workloads(tmp_path)
    (tmp_path / "state/workloads/till").mkdir(parents=True)

    await feature.prepare()
    heartbeat = Heartbeat()
    await feature.report(heartbeat)

    assert [status.name for status in heartbeat.workloads or [] if status] == ["till"]
    feature.configure(message(Workload(name="web", specification=PLAIN)))
    await feature.report(heartbeat)
    assert [status.name for status in heartbeat.workloads or [] if status] == ["web"]


async def test_files_of_a_pod_that_does_not_stop_stay_until_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feature, listener, _ = workloads(tmp_path)
    install(tmp_path, "old")
    Podman(monkeypatch, [])
    monkeypatch.setattr(retry, "WORKLOAD_RETRY", (0.0, 0.0))

    async def fail(_: str) -> bool:
        return False

    with monkeypatch.context() as patch:
        patch.setattr(podman, "remove_pod", fail)
        feature.configure(message())
        running = asyncio.create_task(feature.run())
        await eventually(lambda: listener.events == [("RemovalIncomplete", "")])
        assert (tmp_path / "volumes/old").is_dir()
    await eventually(lambda: os.listdir(tmp_path / "volumes") == [])
    running.cancel()
    await asyncio.wait((running,))


async def test_what_could_not_be_read_is_not_reported_as_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feature, _, _ = workloads(tmp_path)
    (tmp_path / "state/workloads/till").mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setattr(WorkloadFiles, "list_installed", unreadable)
        with pytest.raises(OSError, match="Input/output error"):
            await feature.prepare()
        heartbeat = Heartbeat()
        with pytest.raises(OSError, match="Input/output error"):
            await feature.report(heartbeat)
        assert heartbeat.workloads is None
    monkeypatch.setattr(Observer, "refresh", nothing)
    await feature.report(heartbeat)
    assert [status.name for status in heartbeat.workloads or [] if status] == ["till"]


def unreadable(_: WorkloadFiles) -> dict[str, WorkloadRecord]:
    raise OSError(errno.EIO, "Input/output error")


async def nothing(_: Observer) -> None:
    return

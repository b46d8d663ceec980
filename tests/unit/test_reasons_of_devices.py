"""The codes in the journals of a device and in what its worker reports."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flotta.gateway.certificate_requests import _split_certificate
from flotta.gateway.clock import Clock
from flotta.gateway.errors import BadResponse
from flotta.gateway.gateway import Gateway
from flotta.gateway.identity_store import IdentityStore
from flotta.protocol.models import Workload
from flotta.protocol.reasons.reason import Code
from flotta.sync import listing
from flotta.sync.cycle import CycleReport
from flotta.sync.listing import ConnectionFailedError, describe_refusal, parse_objects
from flotta.sync.loop import SyncLoop
from flotta.sync.model import S3Storage, SyncWorkload
from flotta.worker import gateway_client, podman, systemd
from flotta.worker.configuration_store import ConfigurationStore
from flotta.worker.errors import DeliveryError, WorkloadError
from flotta.worker.events import EventQueue
from flotta.worker.gateway_client import EdgeApiResponse
from flotta.worker.heartbeat import DeviceStatus, Heartbeats
from flotta.worker.workloads.crash_loop import Crashes
from flotta.worker.workloads.execution import StepExecution
from flotta.worker.workloads.files import WorkloadFiles
from flotta.worker.workloads.manifest import Pod, build_pod
from flotta.worker.workloads.pod_facts import DeviceFacts
from flotta.worker.workloads.reconciler import Reconciler
from flotta.worker.workloads.state import classify_start_failure
from flotta.worker.workloads.steps import FetchImages, StopPod, WriteFiles

STORAGE = S3Storage("https://s3.example", "r", "b", "key", "secret")


@pytest.mark.parametrize("body", [b"", b"{}", b'{"content": {"certificate": 7}}'])
def test_a_registration_without_a_certificate_is_an_invalid_response(body: bytes) -> None:
    with pytest.raises(BadResponse) as error:
        _split_certificate(body)
    assert str(error.value).endswith("[InvalidResponse]")


def test_a_damaged_key_is_replaced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "device").mkdir()
    store = IdentityStore(tmp_path / "device", (tmp_path / "c", tmp_path / "k"), (), "till-7")
    store.ensure_pending_key()
    (pending,) = (tmp_path / "device").iterdir()
    pending.write_bytes(b"junk")
    store.ensure_pending_key()
    assert "[KeyDamaged]" in caplog.text


def test_certificates_that_cannot_be_removed_are_named(caplog: pytest.LogCaptureFixture) -> None:
    class Disk:
        def mark_used(self, _: object) -> None:
            raise PermissionError(13, "Permission denied", "device/1")

    gateway: Any = Gateway.__new__(Gateway)
    gateway._renewal = SimpleNamespace(confirm_identity=lambda: None)
    gateway._store = Disk()
    gateway._confirm_identity(None)
    assert "device/1" in caplog.text
    assert "[IdentityRemains]" in caplog.text


def test_a_time_that_cannot_be_stored_is_no_obstacle(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock(tmp_path / "missing" / "clock")
    clock.learn_time("Sun, 29 Nov 2076 12:00:00 GMT")
    assert clock.now() >= datetime(2076, 11, 29, tzinfo=UTC)
    assert "[NotStored]" in caplog.text
    assert "[ClockDiffers]" in caplog.text


def test_no_response_means_that_the_gateway_is_unavailable() -> None:
    with pytest.raises(DeliveryError) as error:
        gateway_client._parse_response(b"", "heartbeat")
    assert str(error.value).endswith("[GatewayUnavailable]")


async def test_a_heartbeat_that_is_refused_is_not_the_gateways_failure(tmp_path: Path) -> None:
    class Refusing:
        async def send(self, *_: object) -> EdgeApiResponse:
            return EdgeApiResponse(403, {"retry-after": "7"})

    gateway: Any = Refusing()
    events = EventQueue(tmp_path / "events.json")
    sender = Heartbeats(gateway, events, [], lambda: DeviceStatus("v1"), "1.0")
    with pytest.raises(DeliveryError) as error:
        await sender._send_heartbeat()
    assert str(error.value).endswith("[HeartbeatRefused]")
    assert error.value.retry_after == 7


def test_state_that_cannot_be_read_or_written_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "configuration").write_bytes(b"junk")
    (tmp_path / "events.json").write_bytes(b"junk")
    assert ConfigurationStore(tmp_path).load() is None
    EventQueue(tmp_path / "events.json")
    assert caplog.text.count("[StateUnreadable]") == 2
    EventQueue(tmp_path / "missing" / "events.json").add_warning(Code("Any"), "x")
    assert "[StateNotStored]" in caplog.text


def execution(tmp_path: Path, activities: list[str]) -> StepExecution:
    async def flush(*_: object) -> None: ...

    files = WorkloadFiles(tmp_path / "state", tmp_path / "volumes", tmp_path / "units")
    return StepExecution(files, Crashes(), flush, lambda _, activity: activities.append(activity))


def pod(tmp_path: Path, policy: str = "Always") -> Pod:
    text = f"containers: [{{name: c, image: x, imagePullPolicy: {policy}}}]"
    workload = Workload(name="web", specification=text)
    paths = WorkloadFiles(tmp_path / "state", tmp_path / "volumes", tmp_path / "units").paths_of(
        "web"
    )
    return build_pod(workload, [], DeviceFacts("till-7"), paths)


async def test_what_execution_cannot_do_and_what_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def missing(images: object) -> list[str]:
        return ["x"]

    async def no(*_: object) -> bool:
        return False

    monkeypatch.setattr(podman, "find_missing_images", missing)
    monkeypatch.setattr(podman, "remove_pod", no)
    monkeypatch.setattr(systemd, "reload", no)
    monkeypatch.setattr(systemd, "stop", no)
    activities: list[str] = []
    steps = execution(tmp_path, activities)
    with pytest.raises(WorkloadError) as error:
        await steps.execute_step(FetchImages(pod(tmp_path, "Never"), refresh=False))
    assert error.value.reason == "ImageNeverPull"
    with pytest.raises(WorkloadError) as error:
        await steps.execute_step(WriteFiles(pod(tmp_path)))
    assert error.value.reason == "SystemdFailure"
    with pytest.raises(WorkloadError) as error:
        await steps.execute_step(StopPod("web"))
    assert error.value.reason == "RemovalIncomplete"
    assert activities == ["Stopping"]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("exec: executable file not found in $PATH", "ContainerStartFailed"),
        ("podman gave no reason", "PodStartFailed"),
    ],
)
def test_a_failed_start_is_named_after_its_cause(message: str, code: str) -> None:
    assert classify_start_failure(message) == code


@pytest.mark.parametrize(
    ("raised", "code"),
    [(OSError(28, "No space left on device"), "DiskFailure"), (KeyError("bug"), "InternalError")],
)
async def test_what_happens_unexpectedly_to_one_workload_is_reported(
    raised: Exception, code: str
) -> None:
    async def converge(_: str) -> None:
        raise raised

    reconciler: Any = Reconciler.__new__(Reconciler)
    reconciler._desired, reconciler._changed = None, {}
    reconciler.failures, reconciler.activities = {}, {}
    reconciler._converge, reconciler._wake_later = converge, lambda _: None
    reconciler._note_attempts, reconciler._on_change = lambda _: None, lambda: None
    await reconciler._converge_guarded("web")
    assert reconciler.failures["web"].reason == code


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("NoSuchBucket", "BucketNotFound"),
        ("RequestTimeTooSkewed", "ClockWrong"),
        ("SlowDown", "StorageRefused"),
        ("AccessDenied", "StorageCredentialsRefused"),
    ],
)
def test_what_a_storage_server_says_has_a_code(said: str, code: str) -> None:
    assert describe_refusal(STORAGE, said, "").endswith(f"[{code}]")


def test_what_is_not_a_listing_has_a_code() -> None:
    for page in (b"<html>", b"<ListBucketResult>"):
        with pytest.raises(ConnectionFailedError) as error:
            list(parse_objects([page]))
        assert str(error.value).endswith("[InvalidListing]")
    with pytest.raises(ConnectionFailedError, match="not a listing"):
        listing._next_token(b"<html/>")


class BrokenLoop(SyncLoop):
    async def _run_cycle(self) -> CycleReport:
        raise KeyError("bug")


async def test_a_bug_and_a_late_upload_of_the_synchronisation_have_codes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "volumes").mkdir()
    loop = BrokenLoop(tmp_path / "state", tmp_path / "volumes")
    loop.configure(STORAGE, [SyncWorkload("web")])
    await loop._try_cycle()
    assert (loop.status("web").error or "").endswith("[SyncFailed]")
    async with loop._busy:  # a cycle runs and does not end
        assert not await loop.flush("web", 0.0)
    assert "[TransferUnfinished]" in caplog.text

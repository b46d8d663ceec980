"""Gateway and worker of ours at a control plane of v0.2: join, run, report, renew, go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import worker_site
from cryptography.x509 import load_pem_x509_csr
from device_site import DeviceFiles, running

from background import in_background
from flotta.gateway.settings import Settings
from flotta.identity import keys
from flotta.identity.authority import Authority
from flotta.identity.lifetime import load_certificate
from flotta.worker import registration
from flotta.worker.agent import Agent
from unit.workload_host import Host
from v02.edge_api import FormerDevice, FormerEdgeApi, serving
from v02.gateway import request_of
from v02.pki import RSA_BITS, KeyType, key_pem, new_key
from waiting import eventually

DEVICE = "press-03"
MAPS = [
    "apiVersion: v1\ndata:\n  k: v\nkind: ConfigMap\nmetadata:\n  creationTimestamp: null\n"
    f"  name: map-{number}\n"
    for number in range(3)
]
CAMERA = {
    "name": "camera",
    "namespace": "default",
    "specification": "containers:\n- image: localhost/camera:1\n  name: camera\n  resources: {}\n",
    "configmaps": MAPS,
    "data": {"egress": None, "ingress": None},
}


@pytest.fixture(params=["EC", pytest.param("RSA", marks=pytest.mark.deep)])
async def api(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[FormerEdgeApi]:
    kind: KeyType = request.param
    monkeypatch.setattr(keys, "NEW_RSA_BITS", RSA_BITS)  # a larger one takes seconds
    async with serving(FormerEdgeApi(kind), tmp_path) as started:
        yield started
        assert started.surprises == []


@pytest.fixture
def files(tmp_path: Path) -> DeviceFiles:
    return DeviceFiles(tmp_path, DEVICE)


@pytest.fixture
def settings(files: DeviceFiles, api: FormerEdgeApi) -> Settings:
    ca = api.authority.certificate_pem
    return files.configure(api.server, ca, api.authority.registration())


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(monkeypatch)


@asynccontextmanager
async def device_of(settings: Settings, tmp_path: Path) -> AsyncIterator[None]:
    """Run both programs of a device."""
    worker = worker_site.settings(f"unix:{settings.socket}", tmp_path)
    async with running(settings), in_background(Agent(worker).run()):
        yield


async def admitted(api: FormerEdgeApi) -> FormerDevice:
    """Approve the device once it has enrolled; return it when it has its certificate."""
    await eventually(lambda: DEVICE in api.requested)
    device = api.approve(DEVICE)
    await eventually(lambda: device.registered)
    return device


async def test_a_device_joins_runs_and_goes(
    api: FormerEdgeApi, settings: Settings, files: DeviceFiles, host: Host, tmp_path: Path
) -> None:
    async with device_of(settings, tmp_path):
        device = await admitted(api)
        device.workloads = [CAMERA]
        await eventually(lambda: host.running() == ["camera"])
        await eventually(lambda: _reported(device) == ["camera"])
        await eventually(lambda: device.heartbeats[-1].get("version"))
        assert api.count("data/in", 304) == 0

        await _polled(api, 3)  # versions and orders that change are no news
        assert host.started == ["camera"]
        assert len(device.heartbeats) < 8

        for status in (500, 404, 401):
            api.failing = status
            await eventually(lambda: api.count("data/in", api.failing) >= 2)
            assert host.running() == ["camera"]
        api.failing = 0
        await _polled(api, 2)
        assert host.started == ["camera"]

        device.workloads = []
        await eventually(lambda: host.running() == [])
        device.workloads = [CAMERA]
        await eventually(lambda: host.running() == ["camera"])
        del api.devices[DEVICE]  # control/in says `disconnect`, data/in 404
        await eventually((files.state / "decommissioned").exists)
        assert host.running() == []
    assert [message["content"] for message in api.control if message["type"] == "event"] == [
        "disconnect"
    ]


@pytest.mark.parametrize("api", ["EC", "RSA"], indirect=True)
async def test_an_expired_certificate_is_renewed_with_itself(
    api: FormerEdgeApi, settings: Settings, files: DeviceFiles, host: Host, tmp_path: Path
) -> None:
    give_expired(files, api)
    api.approve(DEVICE).registered = True
    async with device_of(settings, tmp_path):
        await _polled(api, 1)  # refused until the renewal: it looks at the end of the validity
    current = (files.pki / "device" / "current" / "cert.pem").read_bytes()
    assert load_certificate(current).not_valid_after_utc > datetime.now(UTC)
    assert host.started == []


def give_expired(files: DeviceFiles, api: FormerEdgeApi) -> None:
    """Install a certificate of the device that has expired, with its key."""
    key = new_key(api.authority.kind)
    request = load_pem_x509_csr(request_of(key, DEVICE).encode())
    generation = files.pki / "device" / "1"
    generation.mkdir(parents=True)
    pem = api.authority.device(request, DEVICE, end=timedelta(minutes=-1))
    (generation / "cert.pem").write_bytes(pem)
    (generation / "key.pem").write_bytes(key_pem(key))
    (files.pki / "device" / "current").symlink_to("1")


@pytest.mark.parametrize("api", ["EC", "RSA"], indirect=True)
async def test_a_device_joins_whatever_fails_first(
    api: FormerEdgeApi,
    settings: Settings,
    host: Host,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registration, "REGISTRATION_RETRY", (0.05, 0.2))
    api.failures = {"enrolment": [400, 500], "registration": [404, 500, 400]}
    api.failures["heartbeat"] = [500, 404]  # the Edge API of v0.2 stores it at the next attempt
    async with device_of(settings, tmp_path):
        device = await admitted(api)
        device.workloads = [CAMERA]
        await eventually(lambda: host.running() == ["camera"])
        await eventually(lambda: api.failures["heartbeat"] == [])
        assert api.failures == {"enrolment": [], "registration": [], "heartbeat": []}


async def test_a_certificate_of_ours_is_replaced_by_one_that_v02_takes(
    api: FormerEdgeApi, settings: Settings, files: DeviceFiles, host: Host, tmp_path: Path
) -> None:
    """The control plane went back to v0.2: it asks for serverAuth, which our devices never get."""
    former = api.authority
    files.give_identity(Authority.from_pem(former.certificate_pem, former.key_pem))
    given = files.serial
    device = api.approve(DEVICE)
    device.registered, device.workloads = True, [CAMERA]
    async with device_of(settings, tmp_path):
        await eventually(lambda: host.running() == ["camera"])
    assert files.serial != given
    assert api.count("data/in", 401) >= 1


async def test_names_of_properties_count_in_any_case(
    api: FormerEdgeApi, settings: Settings, files: DeviceFiles, host: Host, tmp_path: Path
) -> None:
    api.shouts = True
    async with device_of(settings, tmp_path):
        device = await admitted(api)
        device.workloads = [CAMERA]
        await eventually(lambda: host.running() == ["camera"])
        del api.devices[DEVICE]
        await eventually((files.state / "decommissioned").exists)


def _reported(device: FormerDevice) -> list[str]:
    """Return the workloads in the last heartbeat."""
    beats = device.heartbeats or [{}]
    return [item["name"] for item in beats[-1].get("workloads") or []]


async def _polled(api: FormerEdgeApi, count: int) -> None:
    """Wait until so many more configurations were asked for."""
    before = api.count("data/in", 200)
    await eventually(lambda: api.count("data/in", 200) >= before + count)

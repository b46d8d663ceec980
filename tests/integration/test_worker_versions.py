"""A device whose control plane, as v0.2, gives a configuration a new version with every write."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from device_site import DeviceFiles, running
from small_edge_api import SmallEdgeApi, serving

from background import in_background
from flotta.identity.authority import Authority
from flotta.protocol.models import DeviceConfigurationMessage
from flotta.worker.agent import Agent
from flotta.worker.features import AgentContext, Feature
from flotta.worker.settings import Settings
from waiting import eventually

WORKLOAD = {"name": "till", "specification": "containers: []", "configmaps": ["a: 1", "b: 2"]}


class Counting(Feature):
    """Counts what is configured."""

    def __init__(self) -> None:
        self.configured: list[DeviceConfigurationMessage] = []

    def configure(self, message: DeviceConfigurationMessage) -> None:
        self.configured.append(message)


class Device:
    """A gateway and a worker, and what the worker did."""

    def __init__(self, folder: Path) -> None:
        self.feature = Counting()
        self.stored = folder / "worker/configuration"

    def make(self, _: Settings, agent: AgentContext) -> tuple[Feature, ...]:
        return (self.feature,)


@pytest_asyncio.fixture
async def api(tmp_path: Path) -> AsyncIterator[SmallEdgeApi]:
    small = SmallEdgeApi(Authority.create("Flotta CA"))
    small.holds = False
    small.rewrites = True
    async with serving(small, tmp_path):
        yield small


@pytest_asyncio.fixture
async def device(api: SmallEdgeApi, tmp_path: Path) -> AsyncIterator[Device]:
    give(api, period=3600)
    files = DeviceFiles(tmp_path)
    files.give_identity(api.authority)
    gateway = files.configure(
        api.server, api.authority.certificate_pem, api.authority.issue_registration()
    )
    worker = Settings(
        gateway_address=f"unix:{gateway.socket}",
        state_dir=tmp_path / "worker",
        tags_file=tmp_path / "tags.toml",
    )
    made = Device(tmp_path)
    async with running(gateway), in_background(Agent(worker, made.make).run()):
        yield made


def give(api: SmallEdgeApi, period: int) -> None:
    """Give the device another content: another period between its heartbeats, in seconds."""
    api.content = {
        **api.content,
        "configuration": {"heartbeat": {"period_seconds": period, "hardware_profile": {}}},
        "workloads": [WORKLOAD],
    }


def reported(api: SmallEdgeApi) -> list[str]:
    return [message["content"].get("version", "") for message in api.sent("heartbeat")]


async def see_versions(api: SmallEdgeApi, count: int) -> None:
    """Let the device read its configuration again so often, each time with another version."""
    for _ in range(count):
        api.rewrite()
        read = len(api.known)
        await eventually(lambda read=read: len(api.known) > read + 1)


async def test_new_versions_of_the_same_content_cause_nothing(
    api: SmallEdgeApi, device: Device
) -> None:
    await eventually(lambda: any(reported(api)))
    beats, inode = len(api.sent("heartbeat")), device.stored.stat().st_ino

    await see_versions(api, 4)

    assert len(api.sent("heartbeat")) == beats <= 2
    assert len(device.feature.configured) == 1
    assert device.stored.stat().st_ino == inode


async def test_new_versions_of_a_refused_configuration_cause_nothing(
    api: SmallEdgeApi, device: Device
) -> None:
    def refusals() -> list[str]:
        events = [event for beat in api.sent("heartbeat") for event in beat["content"]["events"]]
        return [event["reason"] for event in events]

    await eventually(lambda: any(reported(api)))
    api.content = {**api.content, "device_id": "another"}
    await eventually(refusals)
    beats = len(api.sent("heartbeat"))

    await see_versions(api, 4)

    assert len(api.sent("heartbeat")) == beats
    assert refusals() == ["ConfigurationRefused"]


async def test_regular_heartbeats_report_the_newest_version(
    api: SmallEdgeApi, device: Device
) -> None:
    await eventually(lambda: any(reported(api)))
    await see_versions(api, 1)
    give(api, period=1)
    await eventually(lambda: len(device.feature.configured) == 2)

    # Each of these heartbeats is a regular one, and gives the object its next version.
    newest = int(api.content["version"])
    await eventually(lambda: int(reported(api)[-1]) > newest)

    assert len(device.feature.configured) == 2

"""What the agent does with features that it does not know."""

from __future__ import annotations

import asyncio
import errno
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from grpclib.exceptions import GRPCError
from worker_site import directives

from background import in_background
from flotta.protocol.hardware import HardwareInfo
from flotta.protocol.models import (
    DeviceConfigurationMessage,
    Heartbeat,
    PlaybookExecutionStatus,
    RegistrationInfo,
)
from flotta.worker import feature_configuration, heartbeat, reporting
from flotta.worker.agent import Agent
from flotta.worker.errors import WipeError
from flotta.worker.features import AgentContext, Feature
from flotta.worker.settings import Settings
from plain_gateway import PlainGateway


class Songs(Feature):
    """Sings; what it does is kept in `calls`, which several features share."""

    def __init__(self, name: str, agent: AgentContext, calls: list[str]) -> None:
        self.name = name
        self.agent = agent
        self.calls = calls
        self.tried = asyncio.Event()

    async def prepare(self) -> None:
        self.calls.append(f"{self.name} prepared")

    def configure(self, message: DeviceConfigurationMessage) -> None:
        self.calls.append(f"{self.name} configured {message.version}")
        self.agent.add_warning("OutOfTune", f"{self.name} is out of tune")

    async def wait_applied(self) -> None:
        await self.tried.wait()

    async def run(self) -> None:
        self.calls.append(f"{self.name} runs")

    async def describe(self, registration: RegistrationInfo) -> None:
        registration.hardware = HardwareInfo(hostname=self.name)

    async def report(self, heartbeat: Heartbeat) -> None:
        others = heartbeat.playbook_executions or []
        heartbeat.playbook_executions = [*others, PlaybookExecutionStatus(name=self.name)]

    async def halt(self) -> None:
        self.calls.append(f"{self.name} halted")

    async def wipe(self) -> None:
        self.agent.add_warning("OutOfTune", "nobody hears this")
        self.calls.append(f"{self.name} wiped")


class Silence(Feature):
    """Does nothing at all, as a feature may."""


class Choir:
    """The features of one device, `first` and `second`, and what they did."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def make(self, _: Settings, agent: AgentContext) -> tuple[Feature, ...]:
        self.first = Songs("first", agent, self.calls)
        self.second = Songs("second", agent, self.calls)
        return self.first, Silence(), self.second


@pytest.fixture
async def choir(gateway: PlainGateway, tmp_path: Path) -> AsyncIterator[Choir]:
    made = Choir()
    settings = Settings(
        gateway_address=gateway.address,
        state_dir=tmp_path / "state",
        tags_file=tmp_path / "tags.toml",
    )
    async with in_background(Agent(settings, made.make).run()):
        await gateway.wait_for(lambda: "registration" in directives(gateway))
        yield made


def configuration(version: str) -> bytes:
    return json.dumps({"version": version, "configuration": {}}).encode()


async def test_features_are_prepared_and_run_and_configured_in_their_order(
    gateway: PlainGateway, choir: Choir
) -> None:
    await gateway.configure(configuration("v1"))
    await gateway.wait_for(gateway.heartbeats)

    assert choir.calls == [
        "first prepared",
        "second prepared",
        "first runs",
        "second runs",
        "first configured v1",
        "second configured v1",
    ]


async def test_a_heartbeat_has_the_part_and_the_events_of_every_feature(
    gateway: PlainGateway, choir: Choir
) -> None:
    await gateway.configure(configuration("v1"))
    await gateway.wait_for(gateway.heartbeats)

    [beat] = gateway.heartbeats()
    assert [entry["name"] for entry in beat["playbook-executions"]] == ["first", "second"]
    assert [event["message"] for event in beat["events"]] == [
        "first is out of tune",
        "second is out of tune",
    ]
    assert "workloads" not in beat
    assert "hardware" not in beat


async def test_a_version_is_reported_when_every_feature_has_tried_it(
    gateway: PlainGateway, choir: Choir
) -> None:
    await gateway.configure(configuration("v1"))
    choir.second.tried.set()
    await gateway.wait_for(gateway.heartbeats)
    assert "version" not in gateway.heartbeats()[-1]

    choir.first.tried.set()

    await gateway.wait_for(lambda: gateway.heartbeats()[-1].get("version") == "v1")


async def test_a_new_version_of_the_same_content_is_reported_once_that_is_applied(
    gateway: PlainGateway, choir: Choir
) -> None:
    await gateway.configure(configuration("v1"))
    await gateway.wait_for(gateway.heartbeats)
    await gateway.configure(configuration("v2"))
    choir.first.tried.set()
    choir.second.tried.set()

    await gateway.wait_for(lambda: gateway.heartbeats()[-1].get("version") == "v2")

    assert {beat.get("version") for beat in gateway.heartbeats()} == {None, "v2"}
    assert [call for call in choir.calls if "configured" in call] == [
        "first configured v1",
        "second configured v1",
    ]


async def test_features_are_wiped_in_reverse_order_and_say_no_more(
    gateway: PlainGateway, choir: Choir, tmp_path: Path
) -> None:
    await gateway.configure(configuration("v1"))
    await gateway.wait_for(gateway.heartbeats)

    await gateway.disconnect()

    assert choir.calls[-4:] == ["first halted", "second halted", "second wiped", "first wiped"]
    assert list((tmp_path / "state").iterdir()) == []


async def test_a_wipe_that_failed_is_not_confirmed_and_can_be_repeated(
    gateway: PlainGateway, choir: Choir, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail() -> None:
        raise WipeError("podman still has pods web")

    await gateway.configure(configuration("v1"))
    await gateway.wait_for(gateway.heartbeats)
    with monkeypatch.context() as patch:
        patch.setattr(choir.second, "wipe", fail)
        with pytest.raises(GRPCError, match="podman still has pods web"):
            await gateway.disconnect()

    await gateway.disconnect()

    assert choir.calls[-2:] == ["second wiped", "first wiped"]


async def test_a_feature_describes_the_device_that_enrols_and_registers(
    gateway: PlainGateway, choir: Choir
) -> None:
    enrolment, registration = (sent.content for sent in gateway.sent)

    assert enrolment["features"]["hardware"] == {"hostname": "second"}
    assert registration["hardware"] == {"hostname": "second"}


async def test_a_feature_that_fails_for_a_moment_gets_the_configuration_again(
    gateway: PlainGateway, choir: Choir, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure = choir.second.configure

    def fail(_: DeviceConfigurationMessage) -> None:
        choir.calls.append("second failed")
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(feature_configuration, "RETRY", 0.01)
    monkeypatch.setattr(choir.second, "configure", fail)
    await gateway.configure(configuration("v1"))
    await gateway.wait_for(lambda: choir.calls.count("second failed") > 1)
    await gateway.wait_for(
        lambda: gateway.heartbeats() and gateway.heartbeats()[-1]["status"] == "degraded"
    )

    monkeypatch.setattr(choir.second, "configure", configure)

    await gateway.wait_for(lambda: choir.calls[-1] == "second configured v1")
    await gateway.wait_for(lambda: gateway.heartbeats()[-1]["status"] == "up")
    assert choir.calls.count("first configured v1") == 1


async def test_heartbeats_wait_until_it_is_known_what_the_device_has(
    gateway: PlainGateway, choir: Choir, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[str] = []

    async def fail(_: Heartbeat) -> None:
        failed.append("report")
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(heartbeat, "HEARTBEAT_RETRY", (0.01, 0.01))
    monkeypatch.setattr(reporting, "UNCONFIGURED_DELAY", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(choir.first, "report", fail)
        await gateway.wait_for(lambda: len(failed) > 1)
        assert gateway.heartbeats() == []
    await gateway.wait_for(gateway.heartbeats)

"""A device worker in this process, with its directories in one place."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from background import in_background
from flotta.worker.agent import Agent
from flotta.worker.settings import Settings
from plain_gateway import PlainGateway

BROKEN = {"name": "broken", "specification": "containers: []"}


def configuration(version: str, *workloads: dict[str, Any], period: int = 60) -> bytes:
    return json.dumps(
        {
            "device_id": "device-1",
            "version": version,
            "configuration": {"heartbeat": {"period_seconds": period, "hardware_profile": {}}},
            "workloads": list(workloads),
        }
    ).encode()


def settings(gateway_address: str, tmp_path: Path) -> Settings:
    return Settings(
        gateway_address=gateway_address,
        state_dir=tmp_path / "state",
        volumes_dir=tmp_path / "device/volumes",
        units_dir=tmp_path / "units",
        exits_dir=tmp_path / "exits",
        unit_changes_dir=tmp_path / "changes",
        tags_file=tmp_path / "tags.toml",
    )


@contextlib.asynccontextmanager
async def running(gateway: PlainGateway, tmp_path: Path) -> AsyncIterator[None]:
    async with in_background(Agent(settings(gateway.address, tmp_path)).run()):
        yield


@contextlib.asynccontextmanager
async def registered(gateway: PlainGateway, tmp_path: Path) -> AsyncIterator[None]:
    """Run a worker that has no configuration yet, and has just registered for the first time."""
    async with running(gateway, tmp_path):
        await gateway.wait_for(lambda: "registration" in directives(gateway))
        yield


def directives(gateway: PlainGateway) -> list[str]:
    return [message.directive for message in gateway.sent]


def names(gateway: PlainGateway) -> list[str]:
    """Return the workloads in the last heartbeat."""
    beats = gateway.heartbeats()
    return [workload["name"] for workload in beats[-1]["workloads"]] if beats else []


def versions(gateway: PlainGateway) -> list[str]:
    """Return the versions of configurations that heartbeats have reported."""
    return [beat.get("version", "") for beat in gateway.heartbeats()]

"""A device worker in this process, with its directories in one place."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

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


def settings(gateway: PlainGateway, tmp_path: Path) -> Settings:
    return Settings(
        gateway_address=gateway.address,
        state_dir=tmp_path / "state",
        volumes_dir=tmp_path / "device/volumes",
        units_dir=tmp_path / "units",
        exits_dir=tmp_path / "exits",
        unit_changes_dir=tmp_path / "changes",
        tags_file=tmp_path / "tags.toml",
    )


@contextlib.asynccontextmanager
async def running(gateway: PlainGateway, tmp_path: Path) -> AsyncIterator[None]:
    task = asyncio.create_task(Agent(settings(gateway, tmp_path)).run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def directives(gateway: PlainGateway) -> list[str]:
    return [message.directive for message in gateway.sent]

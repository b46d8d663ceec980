"""The control plane of one device: a gateway on a unix socket, in a thread of its own."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from plain_gateway import PlainGateway
from pods.host import LIMIT
from waiting import wait_until

T = TypeVar("T")
DEVICE_ID = "edge-1"
Texts = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Wanted:
    """A workload: its PodSpec, ConfigMaps and Secrets by name, other fields as on the wire."""

    spec: Mapping[str, Any]
    config_maps: Texts = field(default_factory=dict)
    secrets: Texts = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)

    def on_the_wire(self, name: str) -> dict[str, Any]:
        """Return the workload as in a configuration message (docs/reference/wire-protocol.md)."""
        return {
            "name": name,
            "namespace": "default",
            "specification": yaml.safe_dump(dict(self.spec)),
            "configmaps": [
                yaml.safe_dump({"kind": "ConfigMap", "metadata": {"name": key}, "data": dict(data)})
                for key, data in self.config_maps.items()
            ],
            **self.fields,
        }


class Control:
    """What is wanted on the device, and what the device has reported."""

    def __init__(self, folder: Path) -> None:
        self._gateway = PlainGateway(folder, device_id=DEVICE_ID)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gateway", daemon=True)
        self._thread.start()
        self._version = 0
        self._forgotten = 0  # heartbeats
        self.wanted: dict[str, Wanted] = {}
        self.unresolved: set[str] = set()  # wanted, but not renderable
        self._call(self._gateway.start())

    @property
    def address(self) -> str:
        """Address of the gateway's socket."""
        return self._gateway.address

    def close(self) -> None:
        """End the gateway."""
        self._call(self._gateway.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=30)

    def send(self) -> None:
        """Send what is wanted as a new configuration."""
        self._version += 1
        content = json.dumps(self._message()).encode()
        # The worker may be starting, and its socket not be there yet.
        wait_until(lambda: self._is_taken(content), LIMIT)

    def _is_taken(self, content: bytes) -> bool:
        try:
            self._call(self._gateway.configure(content))
        except OSError:
            return False
        return True

    def _message(self) -> dict[str, Any]:
        secrets = {name: data for w in self.wanted.values() for name, data in w.secrets.items()}
        return {
            "device_id": DEVICE_ID,
            "version": str(self._version),
            "configuration": {"heartbeat": {"period_seconds": 5, "hardware_profile": {}}},
            "workloads": [wanted.on_the_wire(name) for name, wanted in self.wanted.items()],
            "unresolved_workloads": sorted(self.unresolved),
            "secrets": [
                {"name": name, "data": json.dumps({k: _base64(v) for k, v in data.items()})}
                for name, data in secrets.items()
            ],
        }

    def disconnect(self) -> None:
        """Decommission the device; return when the worker says that everything is gone."""
        self._call(self._gateway.disconnect())

    def last_heartbeat(self) -> dict[str, Any]:
        """Return the newest heartbeat, empty without one since the last `forget`."""
        heartbeats = self.heartbeats()[self._forgotten :]
        return heartbeats[-1] if heartbeats else {}

    def heartbeats(self) -> list[dict[str, Any]]:
        """Return every heartbeat, oldest first."""
        return self._gateway.heartbeats()

    def forget(self) -> None:
        """Let only what the device reports from now on be its status."""
        self._forgotten = len(self.heartbeats())

    def events(self) -> list[dict[str, Any]]:
        """Return every event that the device has reported, oldest first."""
        return [event for beat in self.heartbeats() for event in beat.get("events") or []]

    def status(self, name: str) -> dict[str, Any]:
        """Return what the newest heartbeat says about a workload, empty when it says nothing."""
        entries = self.last_heartbeat().get("workloads") or []
        return next((entry for entry in entries if entry["name"] == name), {})

    def wait_applied(self) -> None:
        """Wait until the device reports that it has tried everything of the last configuration."""
        version = str(self._version)
        wait_until(lambda: self.last_heartbeat().get("version") == version, seconds=LIMIT)

    def wait_status(
        self, name: str, holds: Callable[[dict[str, Any]], bool], seconds: float = LIMIT
    ) -> dict[str, Any]:
        """Wait until something holds of the newest status of a workload; return that status."""

        def look() -> list[dict[str, Any]]:
            status = self.status(name)
            assert holds(status), f"{name}: {status}"
            return [status]

        return wait_until(look, seconds, tolerate=AssertionError)[0]

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=90)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()

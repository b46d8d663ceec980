"""One device of a test: its medium, its machine, and what the control plane knows of it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from edge_site import Fleet

from flotta.fleet.registration_batches import BATCH_LABEL
from flotta.resources.kinds import CONFIG_MAP, EDGE_DEVICE, EDGE_WORKLOAD, SIGNED_REQUEST
from images.media import personalised
from images.plane import Credentials, Plane, issue
from images.qemu import BOOT_SECONDS, Machine, Medium
from pods.materials import ROOT
from waiting import eventually

Object = dict[str, Any]
PAUSE = 1.0  # seconds between two looks at the control plane
QUICK = {"interval": 2, "samples": 1}  # of the sample workload: a file every two seconds


@dataclass
class Station:
    """A batch, the media made from it, and the machine in front of which a person stands."""

    plane: Plane
    fleet: Fleet
    folder: Path
    name: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    machine_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def batch(self) -> str:
        return f"sticks-{self.name}"

    @property
    def device_id(self) -> str:
        """The id that follows from the firmware."""
        return self.machine_id

    async def issue(self, batch: str = "", **specification: Any) -> Credentials:
        """Issue the batch of this test, or another one."""
        return await issue(self.fleet, batch or self.batch, **specification)

    async def revoke(self, batch: str = "") -> None:
        """Revoke a batch; what else it says does not matter any more."""
        await self.fleet.specify(batch or self.batch, revoked={"at": "2026-01-01T00:00:00Z"})

    def write(self, base: Path, credentials: Credentials, **settings: Any) -> Path:
        """Make a personalised ISO."""
        path = self.folder / f"{uuid.uuid4().hex[:8]}.iso"
        return personalised(base, path, self.plane, credentials, batch=self.batch, **settings)

    def machine(self, *media: Medium, **options: Any) -> Machine:
        """Return the machine with these media; the firmware's variables outlive its runs."""
        given = {"uuid": self.machine_id, **options}
        return Machine(self.folder / "machine", media, **given)

    async def device(self, holds: Callable[[Object], object], name: str = "") -> Object:
        """Wait until the EdgeDevice exists and the condition holds for it."""
        return await self._seen(EDGE_DEVICE, name or self.device_id, holds)

    async def request(self, holds: Callable[[Object], object], name: str = "") -> Object:
        """Wait until the request exists and the condition holds for it."""
        return await self._seen(SIGNED_REQUEST, name or self.device_id, holds)

    def request_key(self) -> tuple[Any, str, str]:
        """Return kind, name and namespace of the request of this machine."""
        return SIGNED_REQUEST, self.device_id, "default"

    async def uses(self) -> list[str]:
        """Return which devices hold a use of the batch."""
        selector = f"{BATCH_LABEL}={self.batch}"
        found = await self.fleet.client.list(CONFIG_MAP, "flotta", label_selector=selector)
        return [use["data"]["deviceID"] for use in found]

    async def run_sample(self) -> None:
        """Create the sample workload, for devices that have the label `app` of this test."""
        text = (ROOT / "examples/os-stats/edgeworkload.yaml").read_text()
        workload = yaml.safe_load(text)
        workload["metadata"]["name"] = f"os-stats-{self.name}"
        workload["spec"]["deviceSelector"] = {"matchLabels": {"app": self.name}}
        await self.fleet.client.create(EDGE_WORKLOAD, workload)

    async def bucket(self) -> str:
        """Return the name of the device's bucket, once it has one."""
        device = await self.device(lambda found: found.get("status", {}).get("dataObc"))
        config_map = await self.fleet.client.get(CONFIG_MAP, device["status"]["dataObc"], "default")
        name: str = config_map["data"]["BUCKET_NAME"]
        return name

    async def make_quick(self) -> None:
        """Let the sample workload write a file every two seconds, by a file from the bucket."""
        client = self.plane.s3.client(self.plane.s3.administrator)
        bucket = await self.bucket()
        await asyncio.to_thread(
            client.put_object,
            Bucket=bucket,
            Key="configuration/config.json",
            Body=json.dumps(QUICK).encode(),
        )

    async def files(self, known: int = 0) -> list[str]:
        """Wait until the bucket has more files of the sample workload than known; return them."""
        bucket = await self.bucket()

        async def look() -> list[str]:
            keys = await asyncio.to_thread(self.plane.object_keys, bucket)
            return [key for key in keys if key.startswith("statistics/")]

        async def more() -> list[str] | None:
            found = await look()
            return found if len(found) > known else None

        found = await eventually(more, BOOT_SECONDS, pause=PAUSE)
        assert found is not None
        return found

    async def _seen(self, kind: Any, name: str, holds: Callable[[Object], object]) -> Object:
        async def look() -> Object | None:
            found = await self.fleet.client.get_or_none(kind, name, "default")
            return found if found and holds(found) else None

        found = await eventually(look, BOOT_SECONDS, pause=PAUSE)
        assert found is not None
        return found


def is_running(device: Object) -> bool:
    """Tell whether the device has reported that its only workload runs."""
    workloads = device.get("status", {}).get("workloads") or []
    return [entry["phase"] for entry in workloads] == ["Running"]


def key_of(obj: Object) -> str:
    """Return the fingerprint of the key of an EdgeDevice or a request."""
    key: str = obj["metadata"]["annotations"]["management.project-flotta.io/key-fingerprint"]
    return key


def has_joined(device: Object) -> bool:
    """Tell whether the device has registered."""
    return "edgedeviceSignedRequest" not in device["metadata"]["labels"]


def partitions(stick: Path) -> dict[str, Object]:
    """Return the partitions of a stick by name."""
    done = subprocess.run(
        ["sfdisk", "--json", str(stick)], check=True, capture_output=True, text=True
    )
    table = json.loads(done.stdout)["partitiontable"]
    return {item.get("name", ""): item for item in table["partitions"]}

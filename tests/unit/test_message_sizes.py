"""The size of a device's messages, and the limit of the Edge API."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from flotta.edge_api.messages import MAX_BODY
from flotta.protocol.envelope import encode, new_data_message
from flotta.protocol.hardware import (
    CPU,
    Disk,
    Gpu,
    HardwareInfo,
    HostDevice,
    Interface,
    Mount,
)
from flotta.protocol.models import Heartbeat, RegistrationInfo, WorkloadStatus
from flotta.worker.events import EventQueue
from flotta.worker.features import Feature
from flotta.worker.gateway_client import EdgeApiResponse
from flotta.worker.heartbeat import DeviceStatus, Heartbeats

WWN = "/dev/disk/by-id/wwn-0x5002538e40a1b2c3"
BY_PATH = "/dev/disk/by-path/pci-0000:3b:00.0-sas-exp0x500304801f1e2d7f-phy4-lun-0"
SERVER = HardwareInfo(
    hostname="a-large-server.site-17.example.com",
    cpu=CPU(architecture="x86_64", count=128, flags=["avx512_vpopcntdq"] * 150),
    disks=[
        Disk(
            by_id=WWN,
            by_path=BY_PATH,
            drive_type="HDD",
            hctl="0:0:12:0",
            id=WWN,
            model="SAMSUNG MZ7LH960HAJR-00005",
            name="sdab",
            path="/dev/sdab",
            serial="S45NNA0N123456",
            size_bytes=960197124096,
            smart="passed " * 30,
            vendor="ATA",
            wwn=WWN,
        )
    ]
    * 64,
    gpus=[Gpu(address="0000:3b:00.0", device_id="20b0", name="NVIDIA A100", vendor="NVIDIA")] * 16,
    interfaces=[
        Interface(
            flags=["up", "broadcast", "multicast", "running"],
            has_carrier=True,
            ipv4_addresses=["10.100.200.123/24"],
            ipv6_addresses=["fe80::5054:ff:fe12:3456/64", "2001:db8:1234:5678::3456/64"],
            mac_address="52:54:00:12:34:56",
            mtu=1500,
            name="enp59s0f1np1",
            product="0x1572",
            speed_mbps=25000,
            vendor="0x8086",
        )
    ]
    * 128,
    host_devices=[
        HostDevice(device_type="b", gid=6, major=259, minor=17, path="/dev/nvme17n1p3", uid=0)
    ]
    * 500,
    mounts=[Mount(device="/dev/mapper/vg0-lv17", directory="/var/lib/data", options="rw" * 40)]
    * 100,
)
FAILED = WorkloadStatus(
    name="a-workload-of-the-site-17",
    status="Error",
    reason="ImagePullFailed",
    message="m" * 300,
)


def size(directive: str, content: object) -> int:
    return len(encode(new_data_message(directive, content)))


def test_large_messages_of_real_devices_are_below_the_limit() -> None:
    request = "c" * 2000
    registration = RegistrationInfo(hardware=SERVER, certificate_request=request)

    assert size("registration", registration) < 200 * 1024 < MAX_BODY
    assert size("heartbeat", Heartbeat(workloads=[FAILED] * 250)) < 200 * 1024


class Overloaded(Feature):
    """Reports more than a heartbeat may have."""

    async def report(self, heartbeat: Heartbeat) -> None:
        verbose = msgspec.structs.replace(FAILED, message="m" * 1000)
        heartbeat.workloads = [verbose] * 400
        heartbeat.hardware = SERVER


class EdgeApi:
    """In place of the gateway: refuses what is too large, as the Edge API does."""

    def __init__(self) -> None:
        self.accepted: asyncio.Future[Heartbeat] = asyncio.get_running_loop().create_future()

    async def send(self, directive: str, content: Heartbeat) -> EdgeApiResponse:
        if size(directive, content) > MAX_BODY:
            return EdgeApiResponse(413, {})
        self.accepted.set_result(content)
        return EdgeApiResponse(200, {})


async def test_a_device_whose_heartbeat_is_too_large_reports_without_details(
    tmp_path: Path,
) -> None:
    edge_api, events = EdgeApi(), EventQueue(tmp_path / "events.json")
    events.add_warning("ImagePullFailed", "a message")
    sender = Heartbeats(
        edge_api,  # type: ignore[arg-type]
        events,
        [Overloaded()],
        lambda: DeviceStatus("v1"),
        "1.0",
    )
    task = asyncio.create_task(sender.run())
    beat = await edge_api.accepted
    task.cancel()

    assert (beat.version, beat.status, beat.hardware) == ("v1", "up", None)
    assert beat.workloads is not None
    assert len(beat.workloads) == 400
    assert len(events.next_batch()) == 1  # it is still to be reported

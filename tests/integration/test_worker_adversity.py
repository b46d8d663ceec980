"""A worker starts, answers and obeys whatever is on its disk and whatever it is sent."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from grpclib.exceptions import GRPCError
from worker_site import BROKEN, configuration, registered

from flotta import disk_reserve
from flotta.sync.loop import SyncLoop
from flotta.worker import agent, feature_list, podman
from flotta.worker.workloads import wiping
from plain_gateway import PlainGateway
from small_disk import mount_small_disk


def workloads(beat: dict[str, Any]) -> list[str]:
    return [workload["name"] for workload in beat["workloads"]]


async def is_reported(gateway: PlainGateway, version: str) -> dict[str, Any]:
    """Wait for the heartbeat of a version; return it."""

    def found() -> list[dict[str, Any]]:
        return [beat for beat in gateway.heartbeats() if beat["version"] == version]

    await gateway.wait_for(found)
    return found()[-1]


@pytest.mark.parametrize("how", ["full", "ro"])
async def test_it_starts_and_answers_with_a_disk_that_takes_nothing(
    gateway: PlainGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(disk_reserve, "SMALLEST", 0)
    monkeypatch.setattr(agent, "STORE_RETRY", 0.5)
    monkeypatch.setattr(feature_list, "SyncLoop", partial(SyncLoop, interval=0.5))
    with mount_small_disk(tmp_path / "device") as disk:
        filling = disk.fill()
        if how == "ro":
            disk.remount("ro")
        async with registered(gateway, disk.path):
            await gateway.configure(configuration("v1", BROKEN, period=1))
            beat = await is_reported(gateway, "v1")
            assert (beat["status"], workloads(beat)) == ("degraded", ["broken"])

            # There is room again: the same configuration is stored, and nothing is wrong any more.
            if how == "ro":
                disk.remount("rw")
            filling.unlink()
            await gateway.wait_for(lambda: gateway.heartbeats()[-1]["status"] == "up", 60)
            assert (disk.path / "state/configuration").exists()

            await gateway.disconnect()
            assert list((disk.path / "state").iterdir()) == []


async def test_a_removal_goes_through_on_a_full_disk(
    gateway: PlainGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_reserve, "SMALLEST", 0)
    with mount_small_disk(tmp_path / "device") as disk:
        async with registered(gateway, disk.path):
            await gateway.configure(configuration("v1", BROKEN))
            await is_reported(gateway, "v1")
            (disk.path / "device/volumes/old").mkdir(parents=True)
            (disk.path / "state/workloads/old").mkdir(parents=True)
            (disk.path / "state/workloads/old/auth.json").write_text("secret")
            disk.fill("device/volumes/old/everything")
            await gateway.configure(configuration("v2"))
            await is_reported(gateway, "v2")
            await gateway.wait_for(lambda: not (disk.path / "device/volumes/old").exists())
            assert not (disk.path / "state/workloads/old").exists()


DEEP = b"[" * 200_000
DEEP_FIELD = b'{"a":' * 100_000
HUGE, PIPE = "huge", "pipe"
STATE = (
    "configuration",
    "configuration.previous",
    "events.json",
    "newest-inputs.json",
    "pods-stopped",
    "sync.db",
    "workloads/web/workload.json",
    "workloads/file",
)


def damage(path: Path, how: bytes | str) -> None:
    if isinstance(how, bytes):
        path.write_bytes(how)
    elif how == HUGE:
        path.touch()
        os.truncate(path, 1 << 40)
    else:
        os.mkfifo(path)


@pytest.mark.parametrize(
    "how", [b"", b"\xff" * 5000, DEEP, DEEP_FIELD, b"null", b"5" * 5000, b"{}", HUGE, PIPE]
)
async def test_it_starts_with_damaged_and_huge_state(
    gateway: PlainGateway, tmp_path: Path, how: bytes | str
) -> None:
    state = tmp_path / "state"
    (state / "workloads/web").mkdir(parents=True)
    (state / "workloads/.odd").mkdir()
    for name in STATE:
        damage(state / name, how)
    damage(tmp_path / "tags.toml", how)

    async with registered(gateway, tmp_path):
        await gateway.configure(configuration("v1", BROKEN))
        beat = await is_reported(gateway, "v1")
        assert workloads(beat) == ["broken"]
        await gateway.disconnect()
        assert list(state.iterdir()) == []


def wrapped(**fields: Any) -> bytes:
    document = json.loads(configuration("bad", BROKEN))
    return json.dumps(document | fields).encode()


HOSTILE = [
    DEEP,
    DEEP_FIELD,
    b"\xff\x00",
    b"1" * 10_000,
    b'"' + b"x" * 1_000_000 + b'"',
    wrapped(workloads={"a": 1}),
    wrapped(workloads=[{"name": 5}]),
    wrapped(workloads=[{"name": "a"}] * 100_000),
    wrapped(workloads=[{"name": f"w{number}"} for number in range(100_000)]),
    wrapped(configuration=[]),
    wrapped(configuration={"heartbeat": {"period_seconds": 10**400}}),
    wrapped(secrets=[{"name": "s", "data": 5}]),
]


async def test_no_message_ends_it(gateway: PlainGateway, tmp_path: Path) -> None:
    async with registered(gateway, tmp_path):
        for number, content in enumerate(HOSTILE):
            await gateway.configure(content)
            await gateway.configure(configuration(f"v{number}", BROKEN, period=30 + number))
            await is_reported(gateway, f"v{number}")
    assert gateway.registrations == 1


ODD_WORKLOADS = [
    {"name": "x" * 100_000, "specification": "containers: [{name: c, image: x}]"},
    {"name": "../../etc", "specification": "containers: [{name: c, image: x}]"},
    {"name": "nul\0", "specification": ""},
    {"name": "deep", "specification": "[" * 100_000},
    {"name": "types", "specification": '{"containers": [{"name": [], "image": {}}]}'},
    {"name": "names", "specification": '{"containers": [5], "volumes": 5}'},
    {"name": "maps", "specification": "containers: [{name: c, image: x}]", "configmaps": ["5"]},
    {"name": "surrogate", "specification": '{"containers": [{"name": "\\ud800", "image": "x"}]}'},
    {"name": "data", "specification": "containers: 5", "data": {"egress": [{"source": "../.."}]}},
]


async def test_an_odd_workload_is_reported_by_name_and_keeps_no_other(
    gateway: PlainGateway, tmp_path: Path
) -> None:
    async with registered(gateway, tmp_path):
        await gateway.configure(configuration("v1", *ODD_WORKLOADS, BROKEN))
        beat = await is_reported(gateway, "v1")
    reasons = {workload["name"][:9]: workload["reason"] for workload in beat["workloads"]}
    assert len(reasons) == len(ODD_WORKLOADS) + 1
    assert set(reasons.values()) == {"InvalidName", "InvalidSpecification"}
    assert len(json.dumps(beat)) < 20_000


async def test_a_wipe_empties_the_state_directory_and_the_spool(
    gateway: PlainGateway, tmp_path: Path
) -> None:
    state, spool = tmp_path / "state", tmp_path / "device/spool"
    state.mkdir()
    spool.mkdir(parents=True)
    async with registered(gateway, tmp_path):
        await gateway.configure(configuration("v1", BROKEN))
        await is_reported(gateway, "v1")
        # What refused and interrupted writes, and killed children, leave behind.
        for name in ("configuration.new", ".configuration.x1y2", ".events.json.z", "sync.damaged"):
            (state / name).write_text("secret")
        for name in ("a.part", "tmp.pem", "lock", "other"):
            (spool / name).write_text("secret")
        (state / "workloads/.web.tmp").mkdir(parents=True)
        await gateway.disconnect()
        assert (list(state.iterdir()), list(spool.iterdir())) == ([], [])


async def test_a_pod_that_stays_holds_up_the_confirmation_and_nothing_else(
    gateway: PlainGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pods = ["stubborn"]

    async def list_pods() -> list[str]:
        return pods

    monkeypatch.setattr(podman, "list_pods", list_pods)
    monkeypatch.setattr(wiping, "WIPE_DELAYS", (0.0,))
    async with registered(gateway, tmp_path):
        await gateway.configure(configuration("v1", BROKEN))
        await is_reported(gateway, "v1")
        with pytest.raises(GRPCError, match="pods stubborn"):
            await gateway.disconnect()
        assert list((tmp_path / "state").iterdir()) == []
        pods.clear()
        await gateway.disconnect()

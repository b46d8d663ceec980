"""The modules edge_device and edge_device_info on a fleet in memory."""

from __future__ import annotations

import pytest
from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.kinds import (
    CONFIG_MAP,
    EDGE_DEVICE,
    NAMESPACE,
)
from memory_client import MemoryClient
from module_run import loaded, run

HEARTBEAT = {"heartbeat": {"periodSeconds": 5}}
UPGRADE = {"osInformation": {"automaticallyUpgrade": True}}
READY = {"conditions": [{"type": "Ready", "status": "True"}]}


def test_labels_and_specification_are_merged_once(client: MemoryClient) -> None:
    client.have(
        EDGE_DEVICE, "till-1", metadata={"labels": {"a": "1"}}, spec={**HEARTBEAT, **UPGRADE}
    )
    wanted = {"name": "till-1", "labels": {"role": "till", "n": 3}, "spec": {"osInformation": None}}
    first, again = run("edge_device", **wanted), run("edge_device", **wanted)
    assert first["changed"]
    assert first["device"]["metadata"]["labels"] == {"a": "1", "role": "till", "n": "3"}
    assert first["device"]["spec"] == HEARTBEAT
    assert first["diff"]["before"] == {"labels": {"a": "1"}, "spec": {**HEARTBEAT, **UPGRADE}}
    assert not again["changed"]
    assert client.writes == ["patch"]


def test_check_mode_says_what_would_change_and_writes_nothing(client: MemoryClient) -> None:
    client.have(EDGE_DEVICE, "till-1")
    assert run("edge_device", check_mode=True, name="till-1", labels={"role": "till"})["changed"]
    assert run("edge_device", check_mode=True, name="till-1", state="absent")["changed"]
    assert run("edge_device", check_mode=True, name="not-registered-yet")["changed"]
    assert client.writes == []


def test_a_device_that_never_joined_or_is_silent_fails_with_where_to_look(
    client: MemoryClient,
) -> None:
    answer = run("edge_device", name="till-1", wait=True, wait_timeout=0)
    assert "Device till-1 did not register within 0 s." in answer["msg"]
    client.have(EDGE_DEVICE, "till-1")
    answer = run("edge_device", name="till-1", wait=True, wait_timeout=0)
    assert "Device till-1 registered but sent no heartbeat within 0 s." in answer["msg"]
    assert "journalctl -u flotta-gateway" in answer["msg"]
    client.have(EDGE_DEVICE, "till-1", status=READY)
    assert not run("edge_device", name="till-1", wait=True, wait_timeout=0)["changed"]


def test_a_quarantined_device_is_not_waited_for_and_that_is_said(client: MemoryClient) -> None:
    client.have(EDGE_DEVICE, "till-1", spec={"quarantine": {"pods": "Stop"}})
    # First, because the warnings of this process add up.
    asked = run("edge_device", name="till-1", quarantined=True, wait=True, wait_timeout=0)
    assert "is quarantined" not in str(asked.get("warnings"))
    answer = run("edge_device", name="till-1", labels={"a": "b"}, wait=True, wait_timeout=0)
    assert answer["changed"]
    warnings = str(answer["warnings"])
    assert "Device till-1 is quarantined" in warnings
    assert "flotta device release till-1" in warnings


def test_a_device_that_is_not_registered_is_not_waited_for_unless_asked(
    client: MemoryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> None:
        pytest.fail("the module waited")

    monkeypatch.setattr(loaded("edge_device").api, "wait_until", never)
    answer = run("edge_device", name="till-1", labels={"a": "b"})
    assert "Device till-1 is not registered in namespace default." in answer["msg"]
    assert client.writes == []


def test_removal_is_asked_for_once(client: MemoryClient) -> None:
    client.have(EDGE_DEVICE, "till-1")
    assert run("edge_device", name="till-1", state="absent", wait=True)["changed"]
    assert not run("edge_device", name="till-1", state="absent")["changed"]
    client.have(EDGE_DEVICE, "till-2", metadata={"deletionTimestamp": "2026-05-01T12:00:00Z"})
    answer = run("edge_device", name="till-2", state="absent", wait=True, wait_timeout=0)
    assert "Device till-2 still exists after 0 s" in answer["msg"]
    assert client.writes == ["patch", "delete", "patch"]
    annotations = client.objects["EdgeDevice", "default", "till-2"]["metadata"]["annotations"]
    assert (
        "flotta.edge.edge_device" in annotations["management.project-flotta.io/decommissioned-by"]
    )


def test_an_unknown_device_is_adopted_with_its_labels(client: MemoryClient) -> None:
    client.have(
        CONFIG_MAP,
        "unknown-u-1-ab",
        "flotta",
        metadata={"labels": {"management.project-flotta.io/record": "unknown-device"}},
        data={"name": "till-1", "namespace": "default", "uid": "u-1", "keyFingerprint": "ab"},
    )
    client.have(NAMESPACE, "default", "")
    wanted = {"name": "till-1", "adopt": True, "labels": {"role": "till", "n": 3}}

    assert run("edge_device", check_mode=True, **wanted)["changed"]
    assert client.writes == []
    answer = run("edge_device", **wanted)

    assert answer["changed"]
    assert answer["device"]["metadata"]["labels"] == {"role": "till", "n": "3"}
    annotations = answer["device"]["metadata"]["annotations"]
    assert annotations["management.project-flotta.io/former-uid"] == "u-1"
    assert client.writes == ["create"]


def test_a_device_that_is_known_is_not_adopted(client: MemoryClient) -> None:
    client.have(EDGE_DEVICE, "till-1")
    assert not run("edge_device", name="till-1", adopt=True)["changed"]
    assert client.writes == []


def test_wrong_parameters_are_named() -> None:
    assert "name" in run("edge_device")["msg"]
    answer = run("edge_device", name="till-1", state="gone")
    assert "state" in answer["msg"]
    assert "present, absent" in answer["msg"]


def test_devices_are_read_one_or_all(client: MemoryClient) -> None:
    client.have(EDGE_DEVICE, "till-1")
    client.have(EDGE_DEVICE, "till-2", "shops")

    def names(**parameters: str) -> list[str]:
        answer = run("edge_device_info", **parameters)
        assert not answer["changed"]
        return [device["metadata"]["name"] for device in answer["devices"]]

    assert names() == ["till-1", "till-2"]
    assert names(namespace="") == ["till-1", "till-2"]
    assert names(namespace="shops") == ["till-2"]
    assert names(name="till-1") == ["till-1"]
    assert names(name="till-2") == []

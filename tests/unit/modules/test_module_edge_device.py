"""The modules edge_device, edge_device_info and edge_workload_info on a fleet in memory."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.client import ApiError
from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.kinds import (
    CONFIG_MAP,
    EDGE_DEVICE,
    EDGE_WORKLOAD,
    EVENT,
    NAMESPACE,
    SIGNED_REQUEST,
    Kind,
)
from memory_client import MemoryClient
from module_run import loaded, run

HEARTBEAT = {"heartbeat": {"periodSeconds": 5}}
UPGRADE = {"osInformation": {"automaticallyUpgrade": True}}
DECIDED = {"decision": {"by": "rule 1", "at": "noon"}}
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
    assert run("edge_device", check_mode=True, name="not-registered-yet", wait=True)["changed"]
    assert "is not registered" in run("edge_device", check_mode=True, name="a-typo")["msg"]
    assert client.writes == []


def test_check_mode_shows_what_the_run_shows(client: MemoryClient) -> None:
    client.have(EDGE_DEVICE, "till-1", spec=HEARTBEAT)
    definition = {"metadata": {"labels": {"a": 1}, "annotations": {"note": "x"}}}
    wanted = {"name": "till-1", "definition": definition, "quarantined": True}
    tried = run("edge_device", check_mode=True, **wanted)
    assert client.writes == []
    done = run("edge_device", **wanted)
    assert client.writes == ["patch"]
    for answer in (tried, done):
        after = answer["diff"]["after"]
        assert after["spec"].pop("quarantine")["pods"] == "Stop"
        assert after == {"labels": {"a": "1"}, "annotations": {"note": "x"}, "spec": HEARTBEAT}
    assert not run("edge_device", **wanted)["changed"]


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


def test_a_device_whose_request_waits_says_what_to_do_and_the_code(client: MemoryClient) -> None:
    condition = {"type": "pending", "status": "True", "reason": "WaitingForApproval"}
    request = {"spec": {"targetNamespace": "shops"}, "status": {"conditions": [condition]}}
    client.have(SIGNED_REQUEST, "till-1", **request)
    for waiting in ({"wait": True, "wait_timeout": 0}, {}):
        answer = run("edge_device", name="till-1", namespace="shops", **waiting)
        assert "Approve it with: flotta approve till-1" in answer["msg"]
        assert answer["reason"] == "WaitingForApproval"
    other = run("edge_device", name="till-1")  # in the namespace default
    assert "journalctl" in other["msg"]
    assert "reason" not in other


def test_who_may_not_read_requests_is_told_where_to_look(
    client: MemoryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(kind: Kind, *_: object) -> None:
        if kind is SIGNED_REQUEST:
            raise ApiError(403, "Forbidden", "requests are not for you")

    monkeypatch.setattr(client, "get_or_none", refuse)
    assert "journalctl" in run("edge_device", name="till-1")["msg"]


def test_a_device_that_is_silent_gives_reason_and_code(client: MemoryClient) -> None:
    silent = {"type": "Ready", "status": "Unknown", "reason": "HeartbeatMissed"}
    status = {"conditions": [{**silent, "message": "No heartbeat since noon."}]}
    client.have(EDGE_DEVICE, "till-1", status=status)
    answer = run("edge_device", name="till-1", wait=True, wait_timeout=0)
    assert "Device till-1 is not ready after 0 s: No heartbeat since noon." in answer["msg"]
    assert answer["reason"] == "HeartbeatMissed"


@pytest.mark.parametrize(
    ("labels", "period", "waits"),
    [({}, 30, True), ({}, 5, False), ({"flotta/member-of": "north"}, 30, False)],
)
def test_a_heartbeat_that_changes_is_waited_for_until_the_device_has_it(
    client: MemoryClient, labels: dict[str, str], period: int, waits: bool
) -> None:
    status = {**READY, "lastSyncedResourceVersion": "1a"}
    client.have(EDGE_DEVICE, "till-1", metadata={"labels": labels}, spec=HEARTBEAT, status=status)
    spec = {"heartbeat": {"periodSeconds": period}}
    answer = run("edge_device", name="till-1", spec=spec, wait=True, wait_timeout=0)
    assert ("has not taken over its heartbeat within 0 s" in answer.get("msg", "")) == waits
    assert not run("edge_device", name="till-1", spec=spec, wait=True, wait_timeout=0)["changed"]


def test_a_reason_of_a_quarantine_is_recorded_and_kept(client: MemoryClient) -> None:
    client.have(EDGE_DEVICE, "till-1", spec={})
    lost = {"name": "till-1", "quarantined": True, "quarantine_reason": "lost"}
    first, again = run("edge_device", **lost), run("edge_device", **lost)
    assert (first["changed"], again["changed"]) == (True, False)
    assert first["device"]["spec"]["quarantine"]["reason"] == "lost"
    kept = run("edge_device", name="till-1", quarantined=True, quarantine_pods="keep")
    assert kept["device"]["spec"]["quarantine"]["reason"] == "lost"
    found = run("edge_device", **{**lost, "quarantine_pods": "keep", "quarantine_reason": "sold"})
    assert found["changed"]
    assert found["device"]["spec"]["quarantine"]["reason"] == "sold"


@pytest.mark.parametrize("reason", ["left in a taxi\nat noon", "x" * 1024, ""])
def test_a_reason_is_the_same_however_it_is_recorded(client: MemoryClient, reason: str) -> None:
    client.have(EDGE_DEVICE, "till-1", spec={"quarantine": {"pods": "Stop", "reason": "lost"}})
    lost = {"name": "till-1", "quarantined": True, "quarantine_reason": reason}
    assert run("edge_device", **lost)["changed"] == bool(reason)
    assert not run("edge_device", **lost)["changed"]


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"quarantined": True, "quarantine_reason": "x" * 1025}, "has 1025 characters, and 1024"),
        ({"quarantine_reason": "lost"}, "required by 'quarantine_reason': quarantined"),
        ({"quarantine_pods": "keep"}, "required by 'quarantine_pods': quarantined"),
    ],
)
def test_a_quarantine_that_is_not_meant_is_refused(
    client: MemoryClient, parameters: dict[str, Any], sentence: str
) -> None:
    client.have(EDGE_DEVICE, "till-1", spec={})
    assert sentence in run("edge_device", name="till-1", **parameters)["msg"]
    assert client.writes == []


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
    now = datetime.now(UTC).isoformat()
    client.objects["EdgeDevice", "default", "till-2"]["metadata"]["deletionTimestamp"] = now
    for check_mode in (True, False):
        assert not run("edge_device", check_mode, name="till-2", state="absent")["changed"]


def test_a_device_that_is_leaving_can_only_be_quarantined(client: MemoryClient) -> None:
    leaving = {"deletionTimestamp": "2026-05-01T12:00:00Z"}
    client.have(EDGE_DEVICE, "till-1", metadata=leaving, spec={})
    answer = run("edge_device", name="till-1", labels={"a": "b"})
    assert "Device till-1 is being decommissioned" in answer["msg"]
    assert client.writes == []
    assert run("edge_device", name="till-1", quarantined=True)["changed"]


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
    assert names(namespace="shops") == ["till-2"]
    assert names(name="till-1") == ["till-1"]
    assert names(name="till-2") == []


def test_devices_and_workloads_are_explained_in_the_sentences_of_the_program(
    client: MemoryClient,
) -> None:
    names = {"name": "till-1", "namespace": "shops", "kind": "EdgeDevice"}
    about = {"creationTimestamp": "2026-05-01T12:00:00Z"}
    client.have(EVENT, "e", "shops", involvedObject=names, metadata=about, reason="A", message="b")
    client.have(EVENT, "f", "shops", involvedObject={**names, "name": "x"}, metadata=about)
    client.have(SIGNED_REQUEST, "till-1", spec={"targetNamespace": "shops"}, status=DECIDED)
    status = {**READY, "workloads": [{"name": "web", "phase": "Running"}]}
    client.have(EDGE_DEVICE, "till-1", "shops", spec={}, status=status)
    client.have(EDGE_DEVICE, "till-2")
    client.have(EDGE_WORKLOAD, "web", "shops", spec={"device": "till-1"})

    first, other = run("edge_device_info", explain=True)["devices"]
    text = "\n".join(first["explanation"])
    for line in ("till-1 is ready", "approved by rule 1", "web is Running.", "A: b"):
        assert line in text
    assert other["explanation"][0].startswith("till-2 is ")
    workload = run("edge_workload_info", namespace="shops", explain=True)["workloads"][0]
    assert workload["explanation"] == ["web selects 1 device.", "On till-1: web is Running."]
    assert "explanation" not in run("edge_device_info")["devices"][0]
    assert run("edge_device_info", name="none", explain=True)["devices"] == []
    assert run("edge_workload_info", name="none", explain=True)["workloads"] == []

"""The module edge_device_set on a fleet in memory."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.client import (
    Forbidden,
    Unreachable,
)
from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.kinds import (
    EDGE_DEVICE,
    EDGE_DEVICE_SET,
)
from memory_client import MemoryClient
from module_run import run

HEARTBEAT = {"heartbeat": {"periodSeconds": 30}}
ACCEPTED = {"type": "Accepted", "status": "True", "reason": "Valid"}
MISSING = "storage.s3: Secret north does not exist"


def made(**parameters: Any) -> dict[str, Any]:
    return run("edge_device_set", name="north", **parameters)


def waited(client: MemoryClient, status: dict[str, Any] | None) -> dict[str, Any]:
    """Return what the module says of a set with this status, waiting."""
    made(spec=HEARTBEAT)
    content = client.objects["EdgeDeviceSet", "default", "north"]
    content["metadata"]["generation"] = 2
    client.have(EDGE_DEVICE_SET, "north", **{**content, "status": status})
    return made(spec=HEARTBEAT, wait=True, wait_timeout=0)


def has_member(client: MemoryClient, name: str, message: str, ready: str = "True") -> None:
    configured = {"type": "Configured", "status": "False", "reason": "Misconfiguration"}
    conditions = [{"type": "Ready", "status": ready}, {**configured, "message": message}]
    status = {"conditions": conditions, "workloads": [{"name": "web"}]}
    metadata = {"labels": {"flotta/member-of": "north"}}
    client.have(EDGE_DEVICE, name, metadata=metadata, spec={}, status=status)


def test_a_set_is_made_changed_and_left_alone(client: MemoryClient) -> None:
    first, again = made(spec=HEARTBEAT), made(spec=HEARTBEAT)
    assert (first["changed"], again["changed"]) == (True, False)
    assert first["device_set"]["spec"] == HEARTBEAT
    changed = made(spec={"storage": {"s3": {"createOBC": True}}}, labels={"team": "shop"})
    assert changed["diff"]["before"] == {"labels": {}, "spec": HEARTBEAT}
    after = {"storage": {"s3": {"createOBC": True}}}  # the whole specification
    assert changed["diff"]["after"] == {"labels": {"team": "shop"}, "spec": after}
    assert client.writes == ["create", "replace"]


def test_a_set_without_a_specification_keeps_its_settings(client: MemoryClient) -> None:
    assert made()["device_set"]["spec"] == {}
    made(spec=HEARTBEAT)
    assert not made()["changed"]
    assert made(labels={"a": True})["device_set"]["spec"] == HEARTBEAT
    assert not made(labels={"a": "true"})["changed"]


def test_check_mode_writes_nothing(client: MemoryClient) -> None:
    answer = made(check_mode=True, spec=HEARTBEAT, wait=True)
    assert answer["changed"]
    assert answer["diff"]["after"]["spec"] == HEARTBEAT
    client.have(EDGE_DEVICE_SET, "north", spec=HEARTBEAT)
    assert made(check_mode=True, state="absent")["changed"]
    assert client.writes == []


def test_removal_is_asked_for_once(client: MemoryClient) -> None:
    client.have(EDGE_DEVICE_SET, "north", spec=HEARTBEAT)
    assert made(state="absent", wait=True)["changed"]
    assert not made(state="absent")["changed"]


def test_a_set_is_in_effect_when_it_is_accepted_and_no_member_lacks_a_part(
    client: MemoryClient,
) -> None:
    has_member(client, "of-a-workload", "web: ConfigMap a does not exist")
    has_member(client, "offline", MISSING, ready="Unknown")
    answer = waited(client, {"observedGeneration": 2, "conditions": [ACCEPTED]})
    assert answer["device_set"]["status"]["conditions"] == [ACCEPTED]


@pytest.mark.parametrize("status", [None, {"observedGeneration": 1, "conditions": [ACCEPTED]}])
def test_a_set_that_the_operator_has_not_seen_says_so(
    client: MemoryClient, status: dict[str, Any] | None
) -> None:
    answer = waited(client, status)
    assert "The operator has not looked at EdgeDeviceSet north within 0 s" in answer["msg"]
    assert "reason" not in answer


def test_a_set_that_is_not_accepted_says_why(client: MemoryClient) -> None:
    refused = {**ACCEPTED, "status": "False", "reason": "StorageContradiction", "message": "no."}
    answer = waited(client, {"observedGeneration": 2, "conditions": [refused]})
    assert answer["msg"] == "EdgeDeviceSet north is not accepted: no."
    assert answer["reason"] == "StorageContradiction"


def test_a_member_that_lacks_a_part_is_named_with_what_it_lacks(client: MemoryClient) -> None:
    has_member(client, "till-1", f"web: no image\n{MISSING}")
    answer = waited(client, {"observedGeneration": 2, "conditions": [ACCEPTED]})
    assert answer["msg"] == (
        "1 members of EdgeDeviceSet north that are online do not get all of its settings after "
        f"0 s. till-1: {MISSING}."
    )
    assert answer["reason"] == "Misconfiguration"


def test_who_may_not_read_devices_waits_for_the_operator_alone(
    client: MemoryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise Forbidden(403, "Forbidden", "devices are not for you")

    monkeypatch.setattr(client, "list", refuse)
    answer = waited(client, {"observedGeneration": 2, "conditions": [ACCEPTED]})
    assert "device_set" in answer
    assert "the user may not list EdgeDevices" in str(answer["warnings"])


def test_members_that_cannot_be_read_are_not_taken_for_none(
    client: MemoryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise Unreachable(0, "Unreachable", "no response")

    monkeypatch.setattr(client, "list", fail)
    answer = waited(client, {"observedGeneration": 2, "conditions": [ACCEPTED]})
    assert "The resource API does not answer" in answer["msg"]


def reports(client: MemoryClient, name: str, version: str, **content: Any) -> None:
    """Have a member that is online and reports this version."""
    status = {"conditions": [{"type": "Ready", "status": "True"}]}
    status["lastSyncedResourceVersion"] = version
    metadata = {"labels": {"flotta/member-of": "north"}, **content.pop("metadata", {})}
    client.have(
        EDGE_DEVICE, name, **{"metadata": metadata, "spec": {}, "status": status, **content}
    )


def changed_heartbeat(client: MemoryClient, period: int) -> dict[str, Any]:
    """Return what the module says of another heartbeat that the operator accepts at once."""
    accepted = {"observedGeneration": 0, "conditions": [ACCEPTED]}
    client.objects["EdgeDeviceSet", "default", "north"]["status"] = accepted
    return made(spec={"heartbeat": {"periodSeconds": period}}, wait=True, wait_timeout=0)


def test_members_that_are_online_are_waited_for_until_they_have_another_heartbeat(
    client: MemoryClient,
) -> None:
    made(spec=HEARTBEAT)
    reports(client, "till-1", "1a")
    reports(client, "without-versions", "")
    withheld = {"management.project-flotta.io/configuration-withheld": "true"}
    reports(client, "withheld", "1b", metadata={"annotations": withheld})
    reports(client, "lost", "1c", spec={"quarantine": {}})
    answer = changed_heartbeat(client, 60)
    assert "1 members of EdgeDeviceSet north that are online have not taken over" in answer["msg"]
    assert "after 0 s: till-1. On such a device" in answer["msg"]


def test_a_member_that_reports_another_version_has_taken_the_heartbeat_over(
    client: MemoryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(spec=HEARTBEAT)
    reports(client, "till-1", "1a")
    replace = client.replace

    async def replace_and_report(*arguments: Any, dry_run: bool = False) -> Any:
        reports(client, "till-1", "1a" if dry_run else "2a")
        return await replace(*arguments, dry_run=dry_run)

    monkeypatch.setattr(client, "replace", replace_and_report)
    assert changed_heartbeat(client, 60)["changed"]


def test_a_default_that_is_written_is_not_waited_for(client: MemoryClient) -> None:
    made(spec={})
    reports(client, "till-1", "1a")
    assert changed_heartbeat(client, 60)["changed"]


def test_the_own_settings_of_members_count_for_a_new_set(client: MemoryClient) -> None:
    spec = {"heartbeat": {"periodSeconds": 30}}
    reports(client, "till-1", "1a", spec=spec)
    answer = made(spec=spec, wait=True, wait_timeout=0)
    assert "have not taken over" not in answer["msg"]  # but the operator has not looked

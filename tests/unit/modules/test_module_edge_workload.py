"""The module edge_workload on a fleet in memory."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.client import ApiError
from ansible_collections.flotta.edge.plugins.module_utils._flotta.resources.kinds import (
    EDGE_DEVICE,
    EDGE_WORKLOAD,
)
from memory_client import MemoryClient
from module_run import run

SPEC = {"type": "pod", "device": "till-1", "pod": {"spec": {"containers": [{"name": "main"}]}}}


def test_a_workload_is_made_changed_and_left_alone(client: MemoryClient) -> None:
    first, again = (run("edge_workload", name="web", spec=SPEC) for _ in "ab")
    assert (first["changed"], again["changed"]) == (True, False)
    assert first["workload"]["spec"] == SPEC
    other = {**SPEC, "device": "till-2"}
    changed = run("edge_workload", name="web", spec=other)
    labels: dict[str, str] = {}
    assert changed["diff"] == {
        "before": {"labels": labels, "spec": SPEC},
        "after": {"labels": labels, "spec": other},
    }
    assert client.writes == ["create", "replace"]


def test_defaults_that_the_api_added_are_no_change(client: MemoryClient) -> None:
    client.defaults = {"imagePull": "default"}
    made = run("edge_workload", name="web", spec=SPEC)
    assert made["workload"]["spec"] == made["diff"]["after"]["spec"] == {**SPEC, **client.defaults}
    assert not run("edge_workload", name="web", spec=SPEC)["changed"]


def test_what_somebody_else_changed_is_put_right(client: MemoryClient) -> None:
    run("edge_workload", name="web", spec=SPEC)
    client.objects["EdgeWorkload", "default", "web"]["spec"] = {**SPEC, "device": "other"}
    assert run("edge_workload", name="web", spec=SPEC)["changed"]


def test_what_somebody_else_added_is_removed(client: MemoryClient) -> None:
    run("edge_workload", name="web", spec=SPEC)
    client.objects["EdgeWorkload", "default", "web"]["spec"] = {**SPEC, "data": {"egress": []}}
    answer = run("edge_workload", name="web", spec=SPEC)
    assert answer["changed"]
    assert answer["workload"]["spec"] == SPEC


def test_a_workload_that_was_read_and_edited_is_made_once(client: MemoryClient) -> None:
    read = run("edge_workload", name="web", spec=SPEC)["workload"]
    edited = {**read, "spec": {**SPEC, "device": "till-2"}}
    answers = [run("edge_workload", definition=edited) for _ in "ab"]
    assert [answer["changed"] for answer in answers] == [True, False]


def test_a_workload_that_is_being_deleted_is_not_deleted_again_nor_changed(
    client: MemoryClient,
) -> None:
    leaving = {"deletionTimestamp": "2026-05-01T12:00:00Z"}
    client.have(EDGE_WORKLOAD, "web", metadata=leaving, spec=SPEC)
    for check_mode in (True, False):
        assert not run("edge_workload", check_mode, name="web", state="absent")["changed"]
        answer = run("edge_workload", check_mode, name="web", spec=SPEC, labels={"a": "b"})
        assert "EdgeWorkload web is being deleted" in answer["msg"]
    answer = run("edge_workload", name="web", state="absent", wait=True, wait_timeout=0)
    assert "EdgeWorkload web still exists after 0 s" in answer["msg"]
    assert client.writes == []


def test_check_mode_writes_nothing(client: MemoryClient) -> None:
    assert run("edge_workload", check_mode=True, name="web", spec=SPEC)["changed"]
    client.have(EDGE_WORKLOAD, "web", spec=SPEC)
    assert run("edge_workload", check_mode=True, name="web", state="absent")["changed"]
    assert client.writes == []


def test_removal_is_asked_for_once(client: MemoryClient) -> None:
    client.have(EDGE_WORKLOAD, "web", spec=SPEC)
    assert run("edge_workload", name="web", state="absent", wait=True)["changed"]
    assert not run("edge_workload", name="web", state="absent")["changed"]


@pytest.mark.parametrize(
    ("status", "runs"),
    [
        ({"matched": 2, "running": 2}, True),
        ({"matched": 2, "running": 1}, False),
        ({"matched": 0, "running": 0}, False),
        ({"observedGeneration": 1, "matched": 2, "running": 2}, False),
        (
            {
                "matched": 2,
                "running": 1,
                "conditions": [{"type": "Ready", "reason": "DevicesSilent"}],
            },
            True,
        ),
    ],
)
def test_waiting_ends_when_every_device_that_is_heard_of_runs_it(
    client: MemoryClient, status: dict[str, Any], runs: bool
) -> None:
    made = run("edge_workload", name="web", spec=SPEC)["workload"]
    metadata = {**made["metadata"], "generation": 2}
    client.have(
        EDGE_WORKLOAD,
        "web",
        metadata=metadata,
        spec=SPEC,
        status={"observedGeneration": 2, **status},
    )
    answer = run("edge_workload", name="web", spec=SPEC, wait=True, wait_timeout=0)
    assert answer.get("failed", False) != runs
    if not runs:
        figures = f"{status['running']} of {status['matched']} devices"
        assert f"Workload web runs on {figures} after 0 s." in answer["msg"]
        assert ("The operator has not looked at it" in answer["msg"]) == (
            status.get("observedGeneration") == 1
        )
        assert ("It selects no device" in answer["msg"]) == (status["matched"] == 0)


def waited(client: MemoryClient, **status: Any) -> dict[str, Any]:
    run("edge_workload", name="web", spec=SPEC)
    made = client.objects["EdgeWorkload", "default", "web"]
    client.have(EDGE_WORKLOAD, "web", **{**made, "status": {"matched": 2, "running": 1, **status}})
    answer = run("edge_workload", name="web", spec=SPEC, wait=True, wait_timeout=0)
    assert answer["failed"]
    return answer


def has(client: MemoryClient, name: str, phase: str, **entry: Any) -> None:
    others = [{"name": "other", "phase": "Error", "reason": "ImagePullFailed"}]
    status = {"workloads": [*others, {"name": "web", "phase": phase, **entry}]}
    client.have(EDGE_DEVICE, name, spec={}, status=status)


def test_a_task_that_waits_in_vain_says_why_on_the_devices_that_do_not_run_it(
    client: MemoryClient,
) -> None:
    has(client, "a", "Running", reason="ContainerRestarted", message="it exited once")
    has(client, "b", "Deploying", reason="Pulling")
    has(client, "c", "Error", reason="ImagePullFailed", message="no such image.")
    has(client, "d", "Running", reason="ContainersNotReady", message="it waits", ready=False)
    has(client, "e", "Running", reason="UnsupportedField", message="spec.pod.spec.hostPID: no")
    answer = waited(client)
    assert answer["reason"] == "ImagePullFailed"
    assert answer["msg"].endswith(
        " c: ImagePullFailed: no such image. e: UnsupportedField: spec.pod.spec.hostPID: no."
        " b: Pulling."
    )


def test_a_workload_that_is_not_accepted_says_so(client: MemoryClient) -> None:
    accepted = {"type": "Accepted", "status": "False", "message": "spec.pod.spec.nodeName: no"}
    answer = waited(client, conditions=[{**accepted, "reason": "UnsupportedField"}])
    assert answer["msg"] == "Workload web is not accepted: spec.pod.spec.nodeName: no."
    assert answer["reason"] == "UnsupportedField"


def test_who_may_not_read_devices_is_told_how_many_run_it(
    client: MemoryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise ApiError(403, "Forbidden", "devices are not for you")

    monkeypatch.setattr(client, "list", refuse)
    answer = waited(client)
    assert "runs on 1 of 2 devices" in answer["msg"]
    assert "reason" not in answer


def test_a_workload_that_goes_while_it_is_waited_for_is_missed(
    client: MemoryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def find_nothing(*_: object) -> None:
        return None

    monkeypatch.setattr(client, "get_or_none", find_nothing)
    answer = run("edge_workload", name="web", spec=SPEC, wait=True, wait_timeout=0)
    assert "Workload web was deleted while the module waited" in answer["msg"]


def test_a_name_of_an_earlier_release_is_replaced_with_a_warning(client: MemoryClient) -> None:
    pair = {"source": "stats", "target": "statistics"}
    answer = run("edge_workload", name="web", spec={**SPEC, "data": {"paths": [pair]}})
    assert answer["workload"]["spec"]["data"] == {"egress": [pair]}
    assert "spec.data.paths is now spec.data.egress" in str(answer["warnings"])


@pytest.mark.parametrize("check_mode", [False, True])
def test_secrets_for_whoever_reports_a_label_give_a_warning(
    client: MemoryClient, check_mode: bool
) -> None:
    container = {"name": "web", "image": "x", "envFrom": [{"secretRef": {"name": "key"}}]}
    selector = {"matchLabels": {"device.hostname": "till-1"}}
    spec = {"type": "pod", "deviceSelector": selector, "pod": {"spec": {"containers": [container]}}}
    answer = run("edge_workload", check_mode=check_mode, name="web", spec=spec)
    assert "EdgeWorkload web: Any device of the namespace gets Secret key" in str(
        answer["warnings"]
    )


def test_a_label_of_an_administrator_gives_no_warning(client: MemoryClient) -> None:
    container = {"name": "web", "image": "x", "envFrom": [{"secretRef": {"name": "other"}}]}
    selector = {"matchLabels": {"device.hostname": "till-1", "role": "till"}}
    spec = {"type": "pod", "deviceSelector": selector, "pod": {"spec": {"containers": [container]}}}
    answer = run("edge_workload", name="web", spec=spec)
    assert "gets Secret other" not in str(answer.get("warnings"))


def test_a_specification_of_the_wrong_type_is_left_to_the_api(client: MemoryClient) -> None:
    spec = {"deviceSelector": {"matchLabels": ["x"]}, "pod": {"spec": {"containers": ["x"]}}}
    assert run("edge_workload", name="web", definition={"spec": spec})["changed"]


def test_a_workload_needs_a_specification() -> None:
    answer = run("edge_workload", name="web")
    assert (
        "state is present but any of the following are missing: spec, definition" in answer["msg"]
    )

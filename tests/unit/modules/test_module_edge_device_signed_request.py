"""The modules for requests to join: what is written, what is refused, and what a user is told."""

from __future__ import annotations

from typing import Any

import pytest
from memory_client import MemoryClient, Object
from module_run import run

from flotta.protocol.console_code import console_code
from flotta.resources.kinds import EDGE_DEVICE, SIGNED_REQUEST

MODULE = "edge_device_signed_request"
PREFIX = "management.project-flotta.io"
DECIDED_BY = f"{PREFIX}/decided-by"
KEY = "ab" * 32
CODE = console_code(KEY)
NOW = {"wait": True, "wait_timeout": 0}


def asked(client: MemoryClient, **spec: Any) -> Object:
    """Let a device request to join."""
    annotations = {f"{PREFIX}/key-fingerprint": KEY}
    metadata = {"annotations": annotations, "generation": 1}
    return client.have(
        SIGNED_REQUEST, "till-1", metadata=metadata, spec={"targetNamespace": "default", **spec}
    )


def stored(client: MemoryClient) -> Object:
    return client.objects["EdgeDeviceSignedRequest", "default", "till-1"]


def warnings(answer: dict[str, Any]) -> str:
    return str(answer.get("warnings"))


def test_a_request_is_approved_once_with_what_the_device_gets(client: MemoryClient) -> None:
    asked(client, labels={"shop": "17"})
    wanted = {"name": "till-1", "target_set": "tills", "labels": {"scanner": True}}
    tried = run(MODULE, check_mode=True, **wanted)
    assert (tried["changed"], client.writes) == (True, [])
    first = run(MODULE, **wanted)
    assert (first["changed"], first["code"]) == (True, CODE)
    request = stored(client)
    labels = {"shop": "17", "scanner": "true"}
    spec = {"targetNamespace": "default", "targetSet": "tills", "labels": labels, "approved": True}
    assert request["spec"] == spec
    assert request["metadata"]["annotations"][DECIDED_BY].endswith(f"(flotta.edge.{MODULE})")
    assert first["diff"]["before"]["state"] == "pending"
    assert first["diff"]["after"] == {
        "state": "approved",
        "targetNamespace": "default",
        "targetSet": "tills",
        "labels": labels,
    }
    assert not run(MODULE, **wanted)["changed"]
    assert client.writes == ["patch"]


def test_a_declined_device_may_be_let_in_and_kept_out_again(client: MemoryClient) -> None:
    asked(client)
    declined = run(MODULE, name="till-1", state="declined")
    assert (declined["changed"], declined["diff"]["after"]["state"]) == (True, "declined")
    assert not run(MODULE, name="till-1", state="declined")["changed"]
    assert run(MODULE, name="till-1")["changed"]
    assert f"{PREFIX}/declined" not in stored(client)["metadata"]["annotations"]
    assert run(MODULE, name="till-1", state="declined")["changed"]
    assert stored(client)["spec"]["approved"] is False


def test_an_approval_of_somebody_else_stays_on_record(client: MemoryClient) -> None:
    asked(client, approved=True)["metadata"]["annotations"][DECIDED_BY] = "a rule"
    assert not run(MODULE, name="till-1")["changed"]
    assert run(MODULE, name="till-1", labels={"role": "till"})["changed"]
    assert stored(client)["metadata"]["annotations"][DECIDED_BY] == "a rule"


def test_a_device_of_the_fleet_that_is_declined_is_warned_about(client: MemoryClient) -> None:
    asked(client, approved=True)
    client.have(EDGE_DEVICE, "till-1")
    answer = run(MODULE, name="till-1", state="declined")
    assert answer["changed"]
    assert "flotta decommission till-1 -n default" in warnings(answer)
    assert answer["device"]["metadata"]["name"] == "till-1"


def test_the_target_of_a_device_that_exists_is_not_changed(client: MemoryClient) -> None:
    asked(client, approved=True, labels={"role": "till"})
    client.have(EDGE_DEVICE, "till-1")
    same = run(MODULE, name="till-1", labels={"role": "till"}, target_namespace="default")
    assert not same["changed"]
    assert "would have no effect" not in warnings(same)
    answer = run(MODULE, name="till-1", labels={"role": "camera"})
    assert not answer["changed"]
    assert "would have no effect" in warnings(answer)
    moved = run(MODULE, name="till-1", target_namespace="shops")
    assert "is in namespace default already" in moved["msg"]
    assert client.writes == []


def test_a_code_that_is_not_the_devices_approves_nothing(client: MemoryClient) -> None:
    asked(client)
    refused = run(MODULE, name="till-1", code="0000-0000")
    assert f"has the code {CODE}, not 0000-0000" in refused["msg"]
    assert client.writes == []
    assert run(MODULE, name="till-1", code=CODE.lower().replace("-", " "))["changed"]
    del stored(client)["metadata"]["annotations"][f"{PREFIX}/key-fingerprint"]
    assert "leave out the code" in run(MODULE, name="till-1", code=CODE)["msg"]


@pytest.mark.parametrize("state", ["approved", "declined"])
def test_a_device_that_does_not_ask_is_an_error_or_waited_for(
    client: MemoryClient, state: str
) -> None:
    answer = run(MODULE, name="till-1", state=state)
    assert "no device till-1 requests to join" in answer["msg"]
    answer = run(MODULE, name="till-1", state=state, **NOW)
    assert "did not request to join within 0 s" in answer["msg"]
    assert run(MODULE, check_mode=True, name="till-1", state=state, **NOW)["changed"]


def test_a_device_that_is_not_created_fails_with_the_operators_reason(client: MemoryClient) -> None:
    condition = {"type": "pending", "status": "True", "reason": "CreationRefused"}
    condition["message"] = "The EdgeDevice cannot be created: namespace shops does not exist"
    asked(client, approved=True)["status"] = {"observedGeneration": 1, "conditions": [condition]}
    answer = run(MODULE, name="till-1", **NOW)
    assert "namespace shops does not exist." in answer["msg"]
    assert answer["reason"] == "CreationRefused"
    client.have(EDGE_DEVICE, "till-1")
    assert run(MODULE, name="till-1", **NOW)["device"]


def test_a_decline_that_the_operator_has_not_seen_is_waited_for(client: MemoryClient) -> None:
    asked(client)
    answer = run(MODULE, name="till-1", state="declined", **NOW)
    assert "has not acted on the decision within 0 s: till-1 requested to join" in answer["msg"]
    stored(client)["status"] = {"observedGeneration": 1, "phase": "declined", "conditions": []}
    assert not run(MODULE, name="till-1", state="declined", **NOW)["changed"]


def test_requests_are_listed_by_state_and_namespace_and_explained(client: MemoryClient) -> None:
    asked(client)
    for name, spec in (("a", {"approved": True}), ("b", {"approved": True})):
        client.have(SIGNED_REQUEST, name, spec={"targetNamespace": "shops", **spec})
    client.have(EDGE_DEVICE, "a", namespace="shops")

    def names(**options: Any) -> list[str]:
        found = run(f"{MODULE}_info", **options)["requests"]
        return [request["metadata"]["name"] for request in found]

    assert names() == ["a", "b", "till-1"]
    assert names(state="pending") == ["till-1"]
    assert names(state="declined") == []
    assert names(target_namespace="shops", name="a") == ["a"]
    assert names(name="none") == []
    waiting = run(f"{MODULE}_info", name="till-1", explain=True)["requests"][0]
    assert (waiting["state"], waiting["code"]) == ("pending", CODE)
    assert waiting["explanation"][0].endswith("Approve it with: flotta approve till-1")
    joined, missing = run(f"{MODULE}_info", state="approved", explain=True)["requests"]
    assert joined["explanation"][0].startswith("a is approved, and a device in namespace shops.")
    assert "its EdgeDevice does not exist yet" in missing["explanation"][0]


def test_what_only_an_approval_has_is_refused_for_a_decline(client: MemoryClient) -> None:
    asked(client)
    answer = run(MODULE, name="till-1", state="declined", target_set="tills", code=CODE)
    assert answer["msg"] == "target_set, code has no effect with state declined; leave it out."
    assert client.writes == []

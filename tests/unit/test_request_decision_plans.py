"""Who is recorded as having decided about a request to join."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from operator_objects import LATER, NOW, Object, applied, device, request

from flotta.operator.controllers.request.controller import plan_refusal, plan_request
from flotta.operator.runtime.steps import Create, Patch, Plan, RecordEvent

PREFIX = "management.project-flotta.io"
APPROVAL = {
    "batch": "shops",
    "uid": "u-2",
    "rule": "Registration batch shops approves the devices that it lists",
    "evidence": ["The id till-1 is listed"],
    "at": "2026-05-01T11:59:00Z",
}


def annotated(resource: Object, **annotations: str) -> Object:
    names = {f"{PREFIX}/{key.replace('_', '-')}": text for key, text in annotations.items()}
    metadata = resource["metadata"]
    return resource | {"metadata": metadata | {"annotations": names}}


def planned(resource: Object, at: datetime = NOW, *, auto: bool = False, made: bool = True) -> Plan:
    return plan_request(resource, device() if made else None, at, auto=auto)


def events(plan: Plan) -> list[tuple[str, str]]:
    return [(step.reason, step.message) for step in plan.steps if isinstance(step, RecordEvent)]


def owned_by(manager: str, *annotations: str) -> list[Object]:
    """Return managedFields of a program that wrote spec.approved and these annotations."""
    names = {f"f:{PREFIX}/{name}": {} for name in annotations}
    fields = {"f:spec": {"f:approved": {}}, "f:metadata": {"f:annotations": names}}
    return [{"manager": manager, "time": "2026-05-01T11:30:00Z", "fieldsV1": fields}]


def test_the_rule_of_a_batch_approves_and_its_evidence_is_kept() -> None:
    asked = annotated(request(), approval=json.dumps(APPROVAL))
    plan = planned(asked, made=False)
    status, spec, _ = plan.steps
    assert isinstance(status, Patch)
    assert isinstance(spec, Patch)
    assert spec.patch == {"spec": {"approved": True}}
    ((code, message),) = events(plan)
    assert code == "Approved"
    assert "registration batch shops" in message
    assert "The id till-1 is listed" in message
    approved = applied(asked, Plan((status,))) | {"spec": asked["spec"] | spec.patch["spec"]}
    assert isinstance(planned(approved, made=False).steps[0], Create)
    then = planned(approved, LATER)
    assert events(then) == []
    assert applied(approved, then)["status"]["decision"] == {
        "by": "registration batch shops",
        "at": "2026-05-01T11:59:00Z",
        "evidence": [APPROVAL["rule"], "The id till-1 is listed"],
    }


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "{}",
        json.dumps(APPROVAL | {"at": "yesterday"}),
        json.dumps(APPROVAL | {"evidence": ["x"] * 100}),
        json.dumps(APPROVAL | {"rule": "x" * 10_000}),
    ],
)
def test_an_approval_that_is_not_one_of_ours_approves_nothing(text: str) -> None:
    plan = planned(annotated(request(), approval=text), made=False)
    assert all(step.subresource == "status" for step in plan.steps if isinstance(step, Patch))
    assert events(plan) == []


def test_a_rule_does_not_approve_what_an_administrator_declined() -> None:
    asked = annotated(request(), approval=json.dumps(APPROVAL), declined="true")
    plan = planned(asked, auto=True, made=False)
    assert [code for code, _ in events(plan)] == ["Declined"]
    assert applied(asked, plan)["status"]["phase"] == "declined"


def test_a_withheld_approval_says_why_and_what_to_do() -> None:
    asked = annotated(request(), approval_withheld="Batch shops: the reported serial is '7\x1b'")
    pending = applied(asked, planned(asked, made=False))["status"]["conditions"][0]
    assert pending["reason"] == "ApprovalWithheld"
    assert pending["message"] == (
        "Batch shops: the reported serial is '7␛'; to let the device join: flotta approve till-1"
    )


def test_an_administrator_is_named_by_the_program_that_approved() -> None:
    asked = annotated(request(approved=True), decided_by="alice (flotta approve)")
    asked["metadata"]["managedFields"] = owned_by("flotta", "decided-by")
    plan = planned(asked)
    decision = applied(asked, plan)["status"]["decision"]
    assert decision["by"] == "alice (flotta approve)"
    assert decision["at"] == "2026-05-01T12:00:00Z"
    assert "field manager flotta set spec.approved" in decision["evidence"][0]
    assert [code for code, _ in events(plan)] == ["Approved"]


def test_the_name_of_an_earlier_decision_is_not_taken_for_another() -> None:
    asked = annotated(request(approved=True), decided_by="alice (flotta decline)")
    (earlier,) = owned_by("flotta", "decided-by")
    del earlier["fieldsV1"]["f:spec"]
    asked["metadata"]["managedFields"] = [earlier, *owned_by("kubectl-edit")]
    decision = applied(asked, planned(asked))["status"]["decision"]
    assert decision["by"] == "an administrator"
    assert "kubectl-edit" in decision["evidence"][0]


def test_each_decision_replaces_the_one_before_and_waiting_has_none() -> None:
    asked: Any = annotated(request(approved=True), decided_by="alice (flotta approve)")
    asked = applied(asked, planned(asked))
    declined = annotated(asked, declined="true", decided_by="bob (flotta decline)")
    declined |= {"spec": {"targetNamespace": "default", "approved": False}}
    plan = planned(declined)
    assert [code for code, _ in events(plan)] == ["Declined"]
    declined = applied(declined, plan)
    assert declined["status"]["decision"]["by"] == "bob (flotta decline)"
    again = annotated(declined, decided_by="carol (flotta approve)")
    again |= {"spec": {"targetNamespace": "default", "approved": True}}
    assert applied(again, planned(again))["status"]["decision"]["by"] == "carol (flotta approve)"
    waiting = annotated(declined)
    assert "decision" not in applied(waiting, planned(waiting, made=False))["status"]


def test_a_refused_creation_keeps_the_decision() -> None:
    asked = annotated(request(approved=True), decided_by="alice (flotta approve)")
    first = plan_refusal(asked, "no namespace", NOW)
    assert [code for code, _ in events(first)] == ["Approved"]
    asked = applied(asked, first)
    then = planned(asked, LATER)
    assert events(then) == []
    assert applied(asked, then)["status"]["decision"]["by"] == "alice (flotta approve)"


def test_nobody_is_named_for_an_approval_by_an_earlier_release() -> None:
    asked = request(approved=True)
    asked["status"] = {"conditions": [{"type": "approved", "status": "true"}]}
    plan = planned(asked)
    assert events(plan) == []
    assert "decision" not in applied(asked, plan)["status"]

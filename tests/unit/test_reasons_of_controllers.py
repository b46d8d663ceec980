"""The codes of what the control plane says about its objects."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from operator_objects import LATER, NOW, Object, applied, claim, device, request, s3, workload

from flotta.fleet.adoption import judge_release
from flotta.fleet.heartbeat import find_transitions
from flotta.fleet.presence import mark_heard, mark_silent
from flotta.fleet.problems import with_problems
from flotta.fleet.rendering import Problem
from flotta.operator.controllers.accepted import judge_device, judge_set, judge_workload
from flotta.operator.controllers.claim import plan_failure
from flotta.operator.controllers.device.decommission import plan_decommission
from flotta.operator.controllers.request.controller import plan_refusal, plan_request
from flotta.operator.controllers.workload import plan_workload
from flotta.operator.runtime.steps import Plan, RecordEvent
from flotta.resources.conditions import find_condition
from flotta.storage.issuers import SharedIssuer
from flotta.storage.provisioner import Provisioner

SECRET = {"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}
LABELS = {"matchLabels": {"device.hostname": "till-1"}}


def reason(resource: Object, type_: str) -> str:
    condition = find_condition(resource["conditions"], type_)
    assert condition is not None
    return condition["reason"]


def events(plan: Plan) -> list[str]:
    return [step.reason for step in plan.steps if isinstance(step, RecordEvent)]


def test_a_device_that_reports_and_one_that_is_silent() -> None:
    assert reason(mark_heard({"phase": "up"}, NOW), "Ready") == "HeartbeatReceived"
    assert reason(mark_heard({"phase": "degraded"}, NOW), "Ready") == "Degraded"
    assert reason(mark_silent({}, NOW, LATER), "Ready") == "HeartbeatMissed"


def test_problems_of_a_configuration_until_they_are_solved() -> None:
    problem = Problem("", "storage", "Misconfiguration", "ConfigMap y does not exist")
    shown = with_problems({}, [problem], NOW)
    assert reason(shown, "Configured") == "Misconfiguration"
    assert reason(with_problems(shown, [], LATER), "Configured") == "Complete"


def test_a_configuration_that_keeps_what_runs_is_released() -> None:
    assert judge_release([])[1] == "Released"
    assert judge_release(["web"])[1] == "ConfigurationWithheld"


@pytest.mark.parametrize(
    ("spec", "name", "code"),
    [
        ({"device": "till-1"}, "printer", "Valid"),
        ({"device": "till-1"}, "p" * 64, "NoLabel"),
        ({}, "printer", "SelectorUnusable"),
        ({"device": "till-1", "pod": {"spec": {"nodeName": "a"}}}, "printer", "UnsupportedField"),
        (
            {"deviceSelector": LABELS, "pod": {"spec": SECRET}},
            "printer",
            "SecretsBySelfReportedLabels",
        ),
    ],
)
def test_a_workload_is_judged_by_its_selector_and_its_fields(
    spec: dict[str, Any], name: str, code: str
) -> None:
    assert judge_workload(workload(name, **spec))[1] == code


def test_settings_are_judged() -> None:
    both = s3(createOBC=True, secretName="s")
    assert judge_device(device(), None, None)[1] == "Valid"
    assert judge_device(device(spec=both), None, None)[1] == "StorageContradiction"
    assert judge_set(workload("north", **both))[1] == "StorageContradiction"
    assert judge_device(device(), "north", None)[1] == "SetMissing"
    assert judge_device(device(), "north", workload("north"))[1] == "InSet"


@pytest.mark.parametrize(
    ("reports", "code"),
    [
        ([], "NoDevice"),
        (["Running"], "Running"),
        (["Deploying"], "Progressing"),
        (["Error", "Running"], "Failed"),
    ],
)
def test_a_workload_is_ready_where_it_runs(reports: list[str], code: str) -> None:
    ready = [{"type": "Ready", "status": "True"}]
    fleet = [
        device(f"d-{n}", workloads=[{"name": "printer", "phase": phase}], conditions=ready)
        for n, phase in enumerate(reports)
    ]
    everywhere = workload(deviceSelector={})
    written = applied(everywhere, plan_workload(everywhere, fleet, NOW))
    assert reason(written["status"], "Ready") == code


def test_a_workload_is_not_ready_where_a_probe_says_so() -> None:
    def judged(ready: bool) -> str:
        entry = {"name": "printer", "phase": "Running", "ready": ready}
        conditions = [{"type": "Ready", "status": "True"}]
        fleet = [device("d", workloads=[entry], conditions=conditions)]
        everywhere = workload(deviceSelector={})
        written = applied(everywhere, plan_workload(everywhere, fleet, NOW))
        return reason(written["status"], "Ready")

    assert (judged(True), judged(False)) == ("Running", "Progressing")


def test_a_request_waits_and_is_declined_approved_or_refused() -> None:
    declined = request()
    declined["metadata"]["annotations"] = {"management.project-flotta.io/declined": "true"}
    approved = request(approved=True)
    for asked, plan, type_, code in (
        (
            request(),
            plan_request(request(), None, NOW, auto=False),
            "pending",
            "WaitingForApproval",
        ),
        (declined, plan_request(declined, None, NOW, auto=False), "declined", "Declined"),
        (approved, plan_request(approved, device(), NOW, auto=False), "approved", "DeviceCreated"),
        (approved, plan_refusal(approved, "no namespace", NOW), "pending", "CreationRefused"),
    ):
        assert reason(applied(asked, plan)["status"], type_) == code


def test_a_request_that_nobody_approves_expires() -> None:
    waiting = request()
    waiting["metadata"]["creationTimestamp"] = "2026-05-01T10:00:00Z"
    assert events(plan_request(waiting, None, NOW, auto=False, expiry=3600)) == ["Expired"]


def test_a_claim_is_not_provisioned_or_not_released() -> None:
    doomed = claim("Bound", deletionTimestamp="2026-05-01T12:00:00Z")
    assert events(plan_failure(claim(), "no server", NOW)) == ["ProvisioningFailed"]
    assert events(plan_failure(doomed, "no server", NOW)) == ["ReleaseFailed"]


async def test_a_bucket_with_the_administrators_key_is_a_warning() -> None:
    class Api:
        def __init__(self) -> None:
            self.events: list[str] = []

        async def merge_patch(self, *_: object, **__: object) -> Object:
            return {}

        async def record_event(self, _: Object, *, reason: str, **__: object) -> None:
            self.events.append(reason)

    api: Any = Api()
    issuer: Any = SharedIssuer(None)  # type: ignore[arg-type]
    provisioner = Provisioner(api, None, issuer, "", "", "flotta")  # type: ignore[arg-type]
    await provisioner._bind_claim(claim(), "bucket")
    assert api.events == ["SharedKeys"]


def test_a_claim_that_remains_is_reported() -> None:
    gone = device(
        deleted="2026-05-01T12:00:00Z",
        conditions=[{"type": "Disconnected", "status": "True"}],
    )
    doomed = claim("Bound", deletionTimestamp="2026-05-01T12:00:00Z")
    plan = plan_decommission(gone, doomed, None, NOW + timedelta(seconds=200), 300)
    assert events(plan) == ["ClaimRemains"]


def test_a_workload_without_a_reason_fails_and_runs_again() -> None:
    failed, runs = (
        {"workloads": [{"name": "web", "phase": phase}]} for phase in ("Error", "Running")
    )
    assert [item.reason for item in find_transitions(runs, failed)] == ["Failed"]
    assert [item.reason for item in find_transitions(failed, runs)] == ["Running"]

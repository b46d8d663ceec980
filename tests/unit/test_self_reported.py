"""Workloads that give Secrets by what devices say about themselves."""

from __future__ import annotations

from typing import Any

import pytest
from operator_objects import LATER, NOW, applied, device, workload

from flotta.fleet.explanation import explain_workload
from flotta.fleet.self_reported import secret_names, secrets_warning
from flotta.operator.controllers.workload import plan_workload
from flotta.operator.runtime.steps import Patch, Plan, RecordEvent
from flotta.resources.conditions import find_condition

REASON = "SecretsBySelfReportedLabels"
HOST = {"device.hostname": "till-1"}


def pod(**container: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "a", "image": "x", **container}]}}


ENVIRONMENT = pod(env=[{"name": "P", "valueFrom": {"secretKeyRef": {"name": "s", "key": "p"}}}])
FROM = pod(envFrom=[{"secretRef": {"name": "s"}}])
VOLUME = {"spec": {"containers": [], "volumes": [{"name": "v", "secret": {"secretName": "s"}}]}}
PROJECTED = {
    "spec": {
        "containers": [],
        "volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "s"}}]}}],
    }
}
FIRST = {"spec": {"containers": [], "initContainers": FROM["spec"]["containers"]}}


@pytest.mark.parametrize("given", [ENVIRONMENT, FROM, VOLUME, PROJECTED, FIRST])
def test_every_way_to_give_a_secret_is_seen(given: dict[str, Any]) -> None:
    chosen = workload(deviceSelector={"matchLabels": HOST}, pod=given)
    assert "Secret s by reporting label device.hostname" in (secrets_warning(chosen) or "")


def test_credentials_of_a_registry_are_a_secret_and_config_maps_are_none() -> None:
    registry = {"secretRef": {"name": "registry"}}
    both = workload(deviceSelector={"matchLabels": HOST}, pod=FROM, imageRegistries=registry)
    assert secret_names(both) == ["registry", "s"]
    assert "Secrets registry, s by" in (secrets_warning(both) or "")
    settings = pod(envFrom=[{"configMapRef": {"name": "c"}}])
    assert secrets_warning(workload(deviceSelector={"matchLabels": HOST}, pod=settings)) is None


@pytest.mark.parametrize(
    ("spec", "warned"),
    [
        ({"deviceSelector": {"matchLabels": HOST}}, True),
        ({"deviceSelector": {"matchLabels": {**HOST, "role": "till"}}}, False),
        ({"deviceSelector": {"matchLabels": {**HOST, "workload/web": "true"}}}, True),
        ({"deviceSelector": {"matchLabels": {"flotta/member-of": "tills", **HOST}}}, False),
        ({"deviceSelector": {"matchLabels": {"role": "till"}}}, False),
        ({"deviceSelector": {"matchLabels": HOST}, "device": "till-1"}, False),
        ({"deviceSelector": {}}, False),
        ({}, False),
        (
            {
                "deviceSelector": {
                    "matchExpressions": [
                        {"key": "device.system-serial", "operator": "Exists"},
                        {"key": "role", "operator": "NotIn", "values": ["spare"]},
                    ]
                }
            },
            True,
        ),
        (
            {
                "deviceSelector": {
                    "matchLabels": HOST,
                    "matchExpressions": [
                        {"key": "role", "operator": "In", "values": ["till"]},
                    ],
                }
            },
            False,
        ),
        ({"deviceSelector": {"matchExpressions": [{"key": "role", "operator": "Exists"}]}}, False),
    ],
)
def test_only_a_label_of_an_administrator_guards_secrets(
    spec: dict[str, Any], warned: bool
) -> None:
    assert (secrets_warning(workload(pod=FROM, **spec)) is not None) == warned


def test_the_operator_warns_once_and_the_workload_runs() -> None:
    chosen = workload(deviceSelector={"matchLabels": HOST}, pod=FROM)
    till = device("till-1")
    till["metadata"]["labels"] = HOST
    plan = plan_workload(chosen, [till], NOW)
    patches = tuple(step for step in plan.steps if isinstance(step, Patch))
    written = applied(chosen, Plan(patches))

    accepted = find_condition(written["status"]["conditions"], "Accepted")
    assert accepted is not None
    assert (accepted["status"], accepted["reason"]) == ("True", REASON)
    (event,) = [step for step in plan.steps if isinstance(step, RecordEvent)]
    assert (event.type_, event.reason, event.message) == ("Warning", REASON, accepted["message"])
    assert written["status"]["matched"] == 1
    assert plan_workload(written, [till], LATER) == Plan()


def test_flotta_explain_warns() -> None:
    chosen = workload(deviceSelector={"matchLabels": HOST}, pod=FROM)
    lines = explain_workload(chosen, [], [])
    assert lines[1].startswith("Warning: Any device of the namespace gets Secret s by reporting")


BROUGHT = "management.project-flotta.io/brought-labels"


@pytest.mark.parametrize(
    ("selector", "labels", "warned"),
    [
        ({"matchLabels": {"room": "12"}}, {"room": "12"}, True),
        ({"matchLabels": {"room": "12", **HOST}}, {"room": "12", **HOST}, True),
        ({"matchExpressions": [{"key": "room", "operator": "Exists"}]}, {"room": "12"}, True),
        ({"matchLabels": {"room": "12", "site": "a"}}, {"room": "12", "site": "a"}, False),
        ({"matchLabels": {"room": "13"}}, {"room": "13"}, False),  # somebody changed it
    ],
)
def test_who_explains_a_workload_sees_whose_own_labels_give_it_secrets(
    selector: dict[str, Any], labels: dict[str, str], warned: bool
) -> None:
    chosen = workload(deviceSelector=selector, pod=FROM)
    target = device(labels=labels)
    target["metadata"]["annotations"] = {BROUGHT: "room=12"}
    sentence = "gets Secret s by label room, which it brought along itself"
    assert (sentence in "".join(explain_workload(chosen, [target], []))) is warned

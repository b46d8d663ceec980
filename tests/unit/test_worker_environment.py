"""What the process in a container is given: variables, command and arguments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flotta.protocol.models import Workload
from flotta.worker.errors import WorkloadError
from flotta.worker.pod_unit.plan import HOST_ADDRESS, POD_ADDRESS
from flotta.worker.workloads.manifest import build_pod
from flotta.worker.workloads.pod_facts import DeviceFacts
from flotta.worker.workloads.variables import expand, expand_all
from flotta.worker.workloads.workload_paths import WorkloadPaths

DEVICE = DeviceFacts("till-1", cpus=4, memory=2 << 30, storage=10 << 30)
SETTINGS = "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {MODE: fast}}"


def containers_of(specification: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    workload = Workload(
        name="web",
        namespace="shop",
        specification=json.dumps(specification),
        configmaps=[SETTINGS],
        **fields,
    )
    paths = WorkloadPaths(Path("/s/web"), Path("/v/web"))
    found: list[dict[str, Any]] = json.loads(build_pod(workload, [], DEVICE, paths).manifest)[
        "spec"
    ]["containers"]
    return found


def run(*env: dict[str, Any], pod: dict[str, Any] | None = None, **container: Any) -> Any:
    made = {"name": "c", "image": "x", "env": list(env), **container}
    return containers_of({"containers": [made], **(pod or {})})[0]


def environment(*env: dict[str, Any], **container: Any) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in run(*env, **container)["env"]}


def field(path: str) -> dict[str, Any]:
    return {"name": "F", "valueFrom": {"fieldRef": {"fieldPath": path}}}


def resource(name: str, **reference: Any) -> dict[str, Any]:
    return {"name": "R", "valueFrom": {"resourceFieldRef": {"resource": name, **reference}}}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("plain", "plain"),
        ("$(A)", "1"),
        ("<$(A)$(B)>", "<12>"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$$$$(A)", "$$(A)"),
        ("$(MISSING)", "$(MISSING)"),
        ("$(A", "$(A"),
        ("$x$(A)$", "$x1$"),
        ("$(A)\n$(B)", "1\n2"),
        ("$()", "$()"),
        ("$($(A))", "$($(A))"),
        ("${A} `A`", "${A} `A`"),
    ],
)
def test_references_are_replaced_as_kubernetes_does(text: str, result: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}) == result


def test_a_text_stays_short_enough_for_a_process() -> None:
    values = {"A": "a" * 65536}
    assert len(expand("$(A)$(A)", values)) == 128 * 1024
    with pytest.raises(WorkloadError, match="has more than 131072 characters") as raised:
        expand("$(A)$(A)$(A)", values)
    assert raised.value.reason == "InvalidSpecification"


def test_what_a_value_brings_is_not_expanded_again() -> None:
    assert expand("$(A)", {"A": "$(B)", "B": "2"}) == "$(B)"


@pytest.mark.parametrize("values", [{}, {"A": HOST_ADDRESS}, {"A": f"on-{POD_ADDRESS}"}])
def test_a_path_needs_every_variable_before_the_pod_starts(values: dict[str, str]) -> None:
    with pytest.raises(WorkloadError, match="refers to"):
        expand_all("logs/$(A)", values)


def test_a_variable_sees_those_before_it_and_the_device_but_none_after_it() -> None:
    found = environment(
        {"name": "EARLY", "value": "$(LATE)"},
        {"name": "LATE", "value": "late"},
        {"name": "GREETING", "value": "$(LATE)-$(MODE)-$(DEVICE_ID)-$$(LATE)"},
        envFrom=[{"configMapRef": {"name": "settings"}}],
    )
    assert found["EARLY"] == "$(LATE)"
    assert found["GREETING"] == "late-fast-till-1-$(LATE)"


def test_a_variable_without_a_value_is_empty_and_can_be_referred_to() -> None:
    found = environment({"name": "NONE"}, {"name": "B", "value": "<$(NONE)>"})
    assert (found["NONE"], found["B"]) == ("", "<>")


def test_values_of_other_objects_are_taken_as_they_are() -> None:
    reference = {"configMapKeyRef": {"name": "dollars", "key": "A"}}
    specification = {
        "containers": [{"name": "c", "image": "x", "env": [{"name": "V", "valueFrom": reference}]}]
    }
    dollars = "{metadata: {name: dollars}, data: {A: $(V)$$}}"
    workload = Workload(name="web", specification=json.dumps(specification), configmaps=[dollars])
    pod = build_pod(workload, [], DEVICE, WorkloadPaths(Path("/s/web"), Path("/v/web")))
    made = json.loads(pod.manifest)["spec"]["containers"][0]
    assert made["env"][0] == {"name": "V", "value": "$(V)$$"}


def test_commands_and_arguments_of_every_container_see_all_its_variables() -> None:
    made = run(
        {"name": "WHO", "value": "bert"},
        command=["sh", "-c"],
        args=["echo $(WHO) $(DEVICE_ID) $$(WHO) $(NOBODY)"],
    )
    assert made["command"] == ["sh", "-c"]
    assert made["args"] == ["echo bert till-1 $(WHO) $(NOBODY)"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web"),
        ("metadata.namespace", "shop"),
        ("metadata.labels['tier']", "front"),
        ("metadata.labels['app.kubernetes.io/name']", "till"),
        ("metadata.labels['other']", ""),
        ("metadata.annotations['note']", "it's ['new']"),
        ("spec.nodeName", "till-1"),
        ("status.hostIP", HOST_ADDRESS),
        ("status.podIP", POD_ADDRESS),
    ],
)
def test_a_pod_is_told_about_itself(path: str, value: str) -> None:
    made = containers_of(
        {"containers": [{"name": "c", "image": "x", "env": [field(path)]}]},
        labels={"tier": "front", "app.kubernetes.io/name": "till"},
        annotations={"note": "it's ['new']"},
    )
    assert made[0]["env"][0] == {"name": "F", "value": value}


def test_a_pod_in_the_network_of_the_host_has_the_address_of_the_host() -> None:
    made = run(field("status.podIP"), pod={"hostNetwork": True})
    assert made["env"][0]["value"] == HOST_ADDRESS


def test_the_uid_is_a_uuid_and_usable_in_other_variables() -> None:
    found = environment(field("metadata.uid"), {"name": "ID", "value": "id-$(F)"})
    assert len(found["F"]) == 36
    assert found["ID"] == f"id-{found['F']}"


@pytest.mark.parametrize(
    "path", ["status.phase", "metadata.labels[tier]", "spec.containers", "", "metadata.labels['a'"]
)
def test_a_field_that_a_device_does_not_know_is_refused(path: str) -> None:
    with pytest.raises(WorkloadError, match=r"does not know th(e|is) field"):
        environment(field(path))


RESOURCES = {
    "limits": {"cpu": "1500m", "memory": "64Mi"},
    "requests": {"memory": "1000001"},
}


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        (resource("limits.cpu"), "2"),
        (resource("limits.cpu", divisor="1m"), "1500"),
        (resource("limits.cpu", divisor=0), "2"),
        (resource("requests.cpu", divisor="1m"), "1500"),
        (resource("limits.memory"), str(64 << 20)),
        (resource("limits.memory", divisor="1Mi"), "64"),
        (resource("limits.memory", divisor="1Gi"), "1"),
        (resource("requests.memory", divisor="1M"), "2"),
        (resource("limits.ephemeral-storage", divisor="1Gi"), "10"),
        (resource("requests.ephemeral-storage"), "0"),
    ],
)
def test_resources_are_counted_in_divisors_and_rounded_up(
    reference: dict[str, Any], value: str
) -> None:
    assert environment(reference, resources=RESOURCES)["R"] == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limits.cpu", "4"),
        ("limits.memory", str(2 << 30)),
        ("requests.cpu", "0"),
        ("requests.memory", "0"),
    ],
)
def test_without_a_limit_it_is_what_the_device_has(name: str, value: str) -> None:
    assert environment(resource(name))["R"] == value


def test_resources_of_another_container_are_found_by_its_name() -> None:
    other = {"name": "db", "image": "x", "resources": RESOURCES}
    own = {
        "name": "c",
        "image": "x",
        "env": [resource("limits.cpu", containerName="db", divisor="1m")],
    }
    assert containers_of({"containers": [own, other]})[0]["env"][0]["value"] == "1500"


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        (resource("limits.gpu"), "UnsupportedField"),
        (resource("limits.cpu", containerName="nobody"), "InvalidSpecification"),
        (resource("limits.cpu", divisor="much"), "InvalidSpecification"),
        (resource("limits.cpu", divisor="-1"), "InvalidSpecification"),
        (
            {
                "name": "R",
                "valueFrom": {"fileKeyRef": {"path": "a", "key": "b", "volumeName": "c"}},
            },
            "UnsupportedField",
        ),
    ],
)
def test_a_source_that_a_device_does_not_have_is_refused(
    reference: dict[str, Any], reason: str
) -> None:
    with pytest.raises(WorkloadError) as raised:
        environment(reference)
    assert raised.value.reason == reason
    assert raised.value.permanent

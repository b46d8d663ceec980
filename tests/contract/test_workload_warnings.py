"""A workload that gives Secrets by what devices say about themselves: both engines warn alike."""

from __future__ import annotations

from typing import Any

import pytest

from contract.api import GROUP, Api, Response
from flotta.fleet.self_reported import secrets_warning
from waiting import wait_until

Object = dict[str, Any]
HOST = {"matchLabels": {"device.hostname": "till-1"}}


def pod(**spec: Any) -> Object:
    return {"spec": {"containers": [{"name": "a", "image": "x"}], **spec}}


def container(**fields: Any) -> list[Object]:
    return [{"name": "b", "image": "x", **fields}]


def volume(**source: Any) -> Object:
    return pod(volumes=[{"name": "v", **source}])


def expression(key: str, operator: str, *values: str) -> Object:
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


KEY = {"name": "s", "key": "k"}
FROM = pod(containers=container(envFrom=[{"secretRef": {"name": "s"}}]))
VARIABLE = [{"name": "R", "valueFrom": {"secretKeyRef": KEY}}]
PLAIN = [{"name": "P", "value": "x"}, {"name": "Q", "valueFrom": {"configMapKeyRef": KEY}}]
BARE = pod()
PROJECTED = [{"configMap": {"name": "c"}}, {"secret": {"name": "s"}}]

# What a pod gives to its devices, and whether the selector HOST makes that a warning.
PODS: dict[str, tuple[Object, bool]] = {
    "env-from": (FROM, True),
    "env": (pod(containers=container(env=[*PLAIN, *VARIABLE])), True),
    "optional": (
        pod(containers=container(envFrom=[{"secretRef": {"name": "s", "optional": True}}])),
        True,
    ),
    "init-env-from": (pod(initContainers=container(envFrom=[{"secretRef": {"name": "s"}}])), True),
    "init-env": (pod(initContainers=container(env=VARIABLE)), True),
    "volume": (volume(secret={"secretName": "s"}), True),
    "projected": (volume(projected={"sources": PROJECTED}), True),
    "pull-secrets": (pod(imagePullSecrets=[{"name": "s"}]), True),
    "no-secret": (BARE, False),
    "config-maps": (
        pod(
            containers=container(env=PLAIN, envFrom=[{"configMapRef": {"name": "c"}}]),
            volumes=[
                {"name": "v", "configMap": {"name": "c"}},
                {"name": "w", "projected": {"sources": PROJECTED[:1]}},
                {"name": "x", "emptyDir": {}},
            ],
        ),
        False,
    ),
}
# Who gets a Secret, and whether that is a warning.
SELECTORS: dict[str, tuple[Object, bool]] = {
    "nobody": ({}, False),
    "everybody": ({"deviceSelector": {}}, False),
    "named": ({"device": "till-1"}, False),
    "role": ({"deviceSelector": {"matchLabels": {"role": "till"}}}, False),
    "workload": ({"deviceSelector": {"matchLabels": {"workload/web": "true"}}}, True),
    "guarded": ({"deviceSelector": {"matchLabels": {"device.cpu": "x", "role": "till"}}}, False),
    "member": (
        {"deviceSelector": {"matchLabels": {"device.cpu": "x", "flotta/member-of": "n"}}},
        False,
    ),
    "in": ({"deviceSelector": {"matchExpressions": [expression("device.cpu", "In", "x")]}}, True),
    "absent": (
        {
            "deviceSelector": {
                "matchExpressions": [
                    expression("device.cpu", "Exists"),
                    expression("role", "NotIn", "spare"),
                    expression("site", "DoesNotExist"),
                ]
            }
        },
        True,
    ),
    "present": (
        {"deviceSelector": {**HOST, "matchExpressions": [expression("role", "Exists")]}},
        False,
    ),
    "one-of": (
        {"deviceSelector": {**HOST, "matchExpressions": [expression("role", "In", "till")]}},
        False,
    ),
}
CASES = {
    **{
        name: ({"deviceSelector": HOST, "pod": given}, warned)
        for name, (given, warned) in PODS.items()
    },
    **{name: ({"pod": FROM, **spec}, warned) for name, (spec, warned) in SELECTORS.items()},
    "registry": (
        {
            "deviceSelector": HOST,
            "pod": BARE,
            "imageRegistries": {"secretRef": {"name": "s"}},
        },
        True,
    ),
}


def workload(name: str, spec: Object) -> Object:
    return {
        "apiVersion": "management.project-flotta.io/v1alpha1",
        "kind": "EdgeWorkload",
        "metadata": {"name": name},
        "spec": {"type": "pod", **spec},
    }


def warns(response: Response) -> bool:
    assert response.status in (200, 201), response.content
    return any("label that an administrator sets" in text for text in response.warnings)


@pytest.fixture
def workloads(api: Api, namespace: str) -> str:
    """Return the path of the workloads of a new namespace, once policies are in effect."""
    path = f"{GROUP}/namespaces/{namespace}/edgeworkloads"
    probe = workload("probe", CASES["env-from"][0])
    wait_until(lambda: warns(api.post(f"{path}?dryRun=All", probe)))
    return path


def test_the_same_workloads_give_a_warning(api: Api, workloads: str) -> None:
    dry = f"{workloads}?dryRun=All"
    said = {name: warns(api.post(dry, workload(name, spec))) for name, (spec, _) in CASES.items()}
    assert said == {name: warned for name, (_, warned) in CASES.items()}


@pytest.mark.parametrize("name", CASES)
def test_the_rule_of_operator_and_module_is_the_same(name: str) -> None:
    spec, warned = CASES[name]
    given: Any = workload(name, spec)
    assert (secrets_warning(given) is not None) == warned


def test_each_way_to_write_a_workload_warns(api: Api, workloads: str) -> None:
    harmless, harmful = (workload("web", CASES[name][0]) for name in ("no-secret", "env-from"))
    path = f"{workloads}/web"
    assert not warns(api.post(workloads, harmless))
    assert warns(api.merge(path, {"spec": harmful["spec"]}))
    stored = api.get(path).body
    assert warns(api.put(path, stored))
    assert warns(api.json_patch(path, {"op": "add", "path": "/metadata/labels", "value": {}}))
    applied = workload("applied", CASES["env-from"][0])
    assert warns(api.apply(f"{workloads}/applied", applied, "fieldManager=m"))
    assert warns(api.apply(f"{workloads}/applied", applied, "fieldManager=m&dryRun=All"))
    assert not warns(api.merge(f"{path}/status", {"status": {"matched": 1}}))

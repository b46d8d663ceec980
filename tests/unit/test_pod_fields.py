"""The table of the fields of a pod: complete, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from crd_schemas import schemas_by_kind
from flotta.pod_fields.check import find_refused
from flotta.pod_fields.field import Field, PodmanVersion, Support, expand
from flotta.pod_fields.table import rows, tree

DEBIAN_12 = PodmanVersion(4, 3)
DEBIAN_13 = PodmanVersion(5, 4)
BOTH = {DEBIAN_12, DEBIAN_13}


def _pod_spec() -> dict[str, Any]:
    spec = schemas_by_kind()["EdgeWorkload"]["properties"]["spec"]["properties"]
    schema: dict[str, Any] = spec["pod"]["properties"]["spec"]
    return schema


def _fields(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every path below a schema, with what the schema has there."""
    for name, below in schema.get("properties", {}).items():
        inner = f"{path}.{name}".removeprefix(".")
        yield inner, below
        yield from _fields(below, inner)
    if "items" in schema:
        yield from _fields(schema["items"], f"{path}[]")


def _is_group(schema: dict[str, Any]) -> bool:
    """Tell whether a field only holds others, which have rows of their own."""
    return "properties" in schema or ("items" in schema and _is_group(schema["items"]))


def test_every_field_of_the_schema_is_in_a_row() -> None:
    fields = dict(_fields(_pod_spec()))
    of_fields = {path: tree().find(path) for path in fields}
    groups = {path for path in fields if _is_group(fields[path])}
    assert [path for path in fields if of_fields[path] is None and path not in groups] == []


def test_every_row_is_about_fields_of_the_schema() -> None:
    known = {path for path, _ in _fields(_pod_spec())}
    assert [path for row in rows() for path in expand(row.path) if path not in known] == []


@pytest.mark.parametrize("row", list(rows()), ids=lambda row: row.path)
def test_a_row_says_what_happens_and_what_to_do(row: Field) -> None:
    assert (row.support is Support.REFUSED) <= (len(row.refusals) == 1)
    for refusal in row.refusals:
        assert refusal.reason, row.path
        assert refusal.instead, row.path
        assert not refusal.message.endswith(".")


CONTAINER = {"name": "main", "image": "localhost/main:1"}
# What a specification has beside one container, the path that is refused, and by which podman.
REFUSED: list[tuple[dict[str, Any], str, set[PodmanVersion]]] = [
    ({"nodeSelector": {"disk": "ssd"}}, "nodeSelector", BOTH),
    ({"affinity": {"nodeAffinity": {}}}, "affinity.nodeAffinity", BOTH),
    ({"dnsPolicy": "Custom"}, "dnsPolicy", BOTH),
    ({"serviceAccountName": "builder"}, "serviceAccountName", BOTH),
    ({"hostPID": True}, "hostPID", {DEBIAN_12}),
    ({"hostIPC": True}, "hostIPC", {DEBIAN_12}),
    (
        {"securityContext": {"sysctls": [{"name": "a", "value": "b"}]}},
        "securityContext.sysctls",
        {DEBIAN_12},
    ),
    (
        {"volumes": [{"name": "a", "emptyDir": {}}, {"name": "b", "nfs": {"path": "/"}}]},
        "volumes[1].nfs",
        BOTH,
    ),
    (
        {"volumes": [{"name": "a", "emptyDir": {"medium": "HugePages"}}]},
        "volumes[0].emptyDir.medium",
        BOTH,
    ),
    (
        {"volumes": [{"name": "a", "image": {"reference": "b"}}]},
        "volumes[0].image",
        {DEBIAN_12},
    ),
    ({"unheardOf": 1}, "unheardOf", BOTH),
    (
        {"initContainers": [{**CONTAINER, "livenessProbe": {}}]},
        "initContainers[0].livenessProbe",
        BOTH,
    ),
    ({"dnsConfig": {"nameservers": ["::1", "dns"]}}, "dnsConfig.nameservers[1]", BOTH),
    ({"dnsPolicy": "None", "dnsConfig": {"searches": ["a"]}}, "dnsPolicy", BOTH),
    ({"hostNetwork": True, "hostAliases": [{"ip": "::1"}]}, "hostAliases", BOTH),
    ({"securityContext": {"runAsGroup": 5}}, "securityContext.runAsGroup", BOTH),
    ({"volumes": [{"name": "a", "emptyDir": {}, "hostPath": {"path": "/"}}]}, "volumes[0]", BOTH),
    (
        {"initContainers": [{**CONTAINER, "restartPolicy": "Always"}]},
        "initContainers[0].restartPolicy",
        BOTH,
    ),
]
OF_CONTAINERS: list[tuple[dict[str, Any], str, set[PodmanVersion]]] = [
    ({"securityContext": {"runAsGroup": 5}}, "securityContext.runAsGroup", BOTH),
    ({"livenessProbe": {"exec": {"command": ["a"]}, "grpc": {"port": 1}}}, "livenessProbe", BOTH),
    ({"stdin": True}, "stdin", BOTH),
    ({"livenessProbe": {}}, "livenessProbe", BOTH),
    ({"readinessProbe": {"periodSeconds": 5}}, "readinessProbe", BOTH),
    ({"lifecycle": {"preStop": {}}}, "lifecycle.preStop", BOTH),
    ({"lifecycle": {"preStop": {"tcpSocket": {}}}}, "lifecycle.preStop.tcpSocket", BOTH),
    ({"imagePullPolicy": "always"}, "imagePullPolicy", BOTH),
    ({"startupProbe": {"exec": {}, "failureThreshold": -1}}, "startupProbe.failureThreshold", BOTH),
    ({"lifecycle": {"stopSignal": "SIGINT"}}, "lifecycle.stopSignal", BOTH),
    ({"resources": {"limits": {"cpu": "1", "nvidia.com/gpu": 1}}}, "resources.limits", BOTH),
    ({"resources": {"limits": {"nvidia.com/gpu=all": 1}}}, "resources.limits", {DEBIAN_12}),
    ({"securityContext": {"procMount": "Unmasked"}}, "securityContext.procMount", {DEBIAN_12}),
    (
        {"securityContext": {"appArmorProfile": {"type": "Localhost"}}},
        "securityContext.appArmorProfile.type",
        BOTH,
    ),
    ({"volumeMounts": [{"name": "a", "mountPath": "/a:exec"}]}, "volumeMounts[0].mountPath", BOTH),
    (
        {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.hostname"}}}]},
        "env[0].valueFrom.fieldRef.fieldPath",
        BOTH,
    ),
]


@pytest.mark.parametrize("podman", sorted(BOTH), ids=str)
@pytest.mark.parametrize(
    ("more", "path", "refusing"),
    [
        *(({"containers": [CONTAINER], **more}, path, by) for more, path, by in REFUSED),
        *(
            ({"containers": [CONTAINER, {**CONTAINER, **more}]}, f"containers[1].{path}", by)
            for more, path, by in OF_CONTAINERS
        ),
    ],
)
def test_a_field_is_refused_with_its_path(
    more: dict[str, Any], path: str, refusing: set[PodmanVersion], podman: PodmanVersion
) -> None:
    found = [refused.path for refused in find_refused(more, podman)]
    expected = [f"spec.pod.spec.{path}"] if podman in refusing else []
    assert [*dict.fromkeys(found)][:1] == expected
    if refusing != BOTH:
        assert find_refused(more) == []


def test_values_that_mean_the_same_as_none_are_not_refused() -> None:
    spec = {
        "containers": [
            {
                **CONTAINER,
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "imagePullPolicy": "Always",
                "stdin": False,
            }
        ],
        "affinity": {},
        "dnsPolicy": "ClusterFirst",
        "hostPID": False,
        "nodeSelector": {},
        "priority": None,
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
        "tolerations": [{"operator": "Exists"}],
        "volumes": [],
    }
    assert find_refused(spec, DEBIAN_12) == []

"""The official Python client: no Content-Type, bodies without kind, times with +00:00."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from kubernetes import client, config, watch
from kubernetes.dynamic import DynamicClient
from kubernetes.informer import SharedInformer

from contract.api import device
from waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

PLACE = ("management.project-flotta.io", "v1alpha1")


@pytest.fixture(scope="module")
def connection(kubeconfig: Path) -> Any:
    return config.new_client_from_config(str(kubeconfig))


@pytest.fixture
def custom(connection: Any) -> Any:
    return client.CustomObjectsApi(connection)


def test_typed_secrets_round_trip(connection: Any, namespace: str) -> None:
    api = client.CoreV1Api(connection)
    body = client.V1Secret(metadata=client.V1ObjectMeta(name="s"), string_data={"a": "b"})
    created = api.create_namespaced_secret(namespace, body)
    assert created.data == {"a": "Yg=="}
    created.metadata.labels = {"x": "y"}
    replaced = api.replace_namespaced_secret("s", namespace, created)
    assert replaced.metadata.labels == {"x": "y"}
    assert replaced.metadata.creation_timestamp == created.metadata.creation_timestamp
    patched = api.patch_namespaced_secret("s", namespace, {"stringData": {"c": "d"}})
    assert set(patched.data) == {"a", "c"}
    api.delete_namespaced_secret("s", namespace)


def test_custom_objects(custom: Any, namespace: str) -> None:
    place = (*PLACE, namespace, "edgedevices")
    custom.create_namespaced_custom_object(*place, device("d"))
    patch = {"spec": {"heartbeat": {"periodSeconds": 5}}}
    obj = custom.patch_namespaced_custom_object(*place, "d", patch)
    assert obj["spec"] == patch["spec"]
    obj["metadata"]["resourceVersion"] = "1"
    with pytest.raises(client.ApiException) as refused:
        custom.replace_namespaced_custom_object(*place, "d", obj)
    assert refused.value.status == 409
    listed = custom.list_namespaced_custom_object(*place, label_selector="!x")
    assert [obj["metadata"]["name"] for obj in listed["items"]] == ["d"]
    custom.delete_namespaced_custom_object(*place, "d")


def test_watch(custom: Any, namespace: str) -> None:
    place = (*PLACE, namespace, "edgedevices")
    custom.create_namespaced_custom_object(*place, device("a"))
    stream = watch.Watch().stream(custom.list_namespaced_custom_object, *place, timeout_seconds=60)
    first = next(stream)
    custom.create_namespaced_custom_object(*place, device("b"))
    events = [first, next(stream)]
    stream.close()
    seen = [(event["type"], event["object"]["metadata"]["name"]) for event in events]
    assert seen == [("ADDED", "a"), ("ADDED", "b")]


def test_informer(connection: Any, namespace: str) -> None:
    api = client.CoreV1Api(connection)

    def config_map(name: str, **data: str) -> Any:
        return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name), data=data)

    for name in ("changed", "gone"):
        api.create_namespaced_config_map(namespace, config_map(name))
    seen: set[tuple[str, str]] = set()
    informer = SharedInformer(api.list_namespaced_config_map, namespace=namespace)
    for kind in ("ADDED", "MODIFIED", "DELETED"):
        informer.add_event_handler(kind, lambda obj, kind=kind: seen.add((kind, obj.metadata.name)))
    informer.start()
    wait_until(lambda: {("ADDED", "changed"), ("ADDED", "gone")} <= seen)
    api.create_namespaced_config_map(namespace, config_map("new"))
    api.patch_namespaced_config_map("changed", namespace, {"data": {"a": "b"}})
    api.delete_namespaced_config_map("gone", namespace)
    wait_until(lambda: {("ADDED", "new"), ("MODIFIED", "changed"), ("DELETED", "gone")} <= seen)
    cached = {obj.metadata.name: obj.data for obj in informer.cache.list()}
    informer.stop()
    assert cached["changed"] == {"a": "b"}
    assert {"new", "gone"} & cached.keys() == {"new"}


def test_dynamic_client(connection: Any, namespace: str, tmp_path: Path) -> None:
    dynamic = DynamicClient(connection, cache_file=str(tmp_path / "discovery"))
    resource = dynamic.resources.get(api_version="/".join(PLACE), kind="EdgeDevice")
    dynamic.create(resource, device("d"), namespace)
    applied = dynamic.server_side_apply(
        resource,
        device("d", {"heartbeat": {"periodSeconds": 5}}),
        "d",
        namespace,
        field_manager="test",
        force_conflicts=True,
    )
    assert applied.spec.heartbeat.periodSeconds == 5
    maps = dynamic.resources.get(api_version="v1", kind="ConfigMap")
    assert dynamic.get(maps, namespace=namespace, label_selector="none").items == []


def test_lease_round_trip(connection: Any, namespace: str) -> None:
    api = client.CoordinationV1Api(connection)
    spec = client.V1LeaseSpec(holder_identity="me", lease_duration_seconds=15)
    lease = client.V1Lease(metadata=client.V1ObjectMeta(name="l"), spec=spec)
    created = api.create_namespaced_lease(namespace, lease)
    created.spec.holder_identity = "you"
    api.replace_namespaced_lease("l", namespace, created)
    assert api.read_namespaced_lease("l", namespace).spec.holder_identity == "you"

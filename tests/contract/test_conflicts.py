"""Versions of objects: a write based on an old version is refused, so no change is lost."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from contract.api import Api, config_map, core, device, devices


def test_put_without_version(api: Api, namespace: str) -> None:
    api.create(devices(namespace), device("d"))
    response = api.put(devices(namespace, "d"), device("d"))
    assert response.status == 422
    assert response.causes == {("FieldValueInvalid", "metadata.resourceVersion")}
    api.create(core(namespace, "configmaps"), config_map("c"))
    response = api.put(core(namespace, "configmaps", "c"), config_map("c", {"a": "b"}))
    assert response.status == 200


def test_stale_version_conflicts(api: Api, namespace: str) -> None:
    old = api.create(devices(namespace), device("d"))
    new = api.merge(devices(namespace, "d"), {"metadata": {"labels": {"a": "b"}}}).body
    for response in (
        api.put(devices(namespace, "d"), old),
        api.merge(
            devices(namespace, "d"),
            {"metadata": {"resourceVersion": old["metadata"]["resourceVersion"]}, "spec": {}},
        ),
    ):
        assert (response.status, response.body["reason"]) == (409, "Conflict")
        assert response.body["details"] == {
            "name": "d",
            "group": "management.project-flotta.io",
            "kind": "edgedevices",
        }
    test = {"op": "test", "path": "/metadata/resourceVersion", "value": "1"}
    assert api.json_patch(devices(namespace, "d"), test).status == 422
    assert api.get(devices(namespace, "d")).body == new


def test_versions_in_reads_of_one_object(api: Api, namespace: str) -> None:
    obj = api.create(devices(namespace), device("d"))
    path = devices(namespace, "d")
    # A server that reads old versions from a cache first waits until the cache has this one.
    for version in (obj["metadata"]["resourceVersion"], "0", "1"):
        assert api.get(f"{path}?resourceVersion={version}").body == obj
    assert api.get(f"{path}?resourceVersion=abc").status == 500
    future = api.get(f"{path}?resourceVersion=99999999")
    assert (future.status, future.body["reason"]) == (504, "Timeout")


def test_two_writers_of_one_version(api: Api, namespace: str) -> None:
    seen = api.create(devices(namespace), device("d"))
    path = devices(namespace, "d")
    first = api.put(path, seen | {"spec": {"heartbeat": {"periodSeconds": 1}}})
    second = api.put(path, seen | {"spec": {"heartbeat": {"periodSeconds": 2}}})
    assert (first.status, second.status) == (200, 409)


@pytest.mark.parametrize("times", [20, pytest.param(200, marks=pytest.mark.deep)])
def test_two_clients_increment_one_object_without_losing_any(
    api: Api, namespace: str, times: int
) -> None:
    path = core(namespace, "configmaps", "counter")
    api.create(core(namespace, "configmaps"), config_map("counter", {"n": "0"}))
    counts: list[int] = []
    both_have_read = threading.Barrier(2, timeout=60)

    def increment() -> None:
        connection = api.connect()

        def call(method: str, body: str | None = None) -> tuple[int, Any]:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, json.loads(response.read())

        conflicts = done = 0
        while done < times:
            _, obj = call("GET")
            obj["data"]["n"] = str(int(obj["data"]["n"]) + 1)
            if not done + conflicts:
                both_have_read.wait()
            status, _ = call("PUT", json.dumps(obj))
            assert status in (200, 409)
            done += status == 200
            conflicts += status == 409
        counts.append(conflicts)
        connection.close()

    threads = [threading.Thread(target=increment) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert api.get(path).body["data"]["n"] == str(2 * times)
    assert len(counts) == 2
    assert sum(counts) > 0

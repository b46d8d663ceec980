"""Watches: order, completeness, selectors, bookmarks, ends."""

from __future__ import annotations

import time
from typing import Any

import pytest

from contract.api import GROUP, Api, core, device, devices
from contract.engine import Engine
from waiting import wait_until

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
INITIAL = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"


def settled(api: Api, namespace: str) -> None:
    """Bring the server's cache up to date: a watch without version starts with its content."""
    newest = api.get(devices(namespace)).version
    assert api.get(f"{devices(namespace)}?resourceVersion={newest}").status == 200


def test_every_write_is_seen_once_and_in_order(api: Api, namespace: str) -> None:
    start = int(api.get(devices(namespace)).version)
    with api.watch(devices(namespace), f"resourceVersion={start}") as watch:
        for index in range(50):
            api.create(devices(namespace), device(f"d{index}"))
            api.merge(devices(namespace, f"d{index}"), {"metadata": {"labels": {"a": "b"}}})
        events = watch.take(100)
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(set(versions))
    assert versions[0] > start
    assert [event["type"] for event in events] == ["ADDED", "MODIFIED"] * 50


def test_a_watch_without_version_starts_with_existing_objects(api: Api, namespace: str) -> None:
    for name in ("b", "a", "c"):
        api.create(devices(namespace), device(name))
    settled(api, namespace)
    with api.watch(devices(namespace)) as watch:
        events = watch.take(3)
        assert [event["object"]["metadata"]["name"] for event in events] == ["a", "b", "c"]
        api.delete(devices(namespace, "b"))
        last = watch.next()
    assert last["type"] == "DELETED"
    old = int(events[1]["object"]["metadata"]["resourceVersion"])
    assert int(last["object"]["metadata"]["resourceVersion"]) > old


def test_selectors_turn_changes_into_adds_and_deletes(api: Api, namespace: str) -> None:
    path = devices(namespace, "d")
    obj = api.create(devices(namespace), device("d", labels={"a": "1"}))
    query = f"resourceVersion={obj['metadata']['resourceVersion']}&labelSelector=a%3D1"
    with api.watch(devices(namespace), query) as watch:
        away = api.merge(path, {"metadata": {"labels": {"a": "2"}}}).version
        api.merge(path, {"metadata": {"labels": {"b": "2"}}})
        back = api.merge(path, {"metadata": {"labels": {"a": "1"}}}).version
        gone, added = watch.take(2)
    assert gone["type"] == "DELETED"
    assert gone["object"]["metadata"]["labels"] == {"a": "1"}
    assert gone["object"]["metadata"]["resourceVersion"] == away
    assert (added["type"], added["object"]["metadata"]["resourceVersion"]) == ("ADDED", back)


def test_timeout_ends_with_a_bookmark(api: Api, namespace: str) -> None:
    start = api.get(devices(namespace)).version
    query = f"resourceVersion={start}&timeoutSeconds=4&allowWatchBookmarks=true"
    events: list[dict[str, Any]] = []

    def came() -> bool:
        begin = time.monotonic()
        with api.watch(devices(namespace), query) as watch:
            events.extend(watch.rest())
        assert time.monotonic() - begin > 3.5
        return bool(events)

    wait_until(came)  # Kubernetes sends none if it reaches the last two seconds too late
    assert {event["type"] for event in events} == {"BOOKMARK"}
    bookmark = events[-1]["object"]
    assert set(bookmark) == {"kind", "apiVersion", "metadata"}
    assert set(bookmark["metadata"]) == {"resourceVersion"}


def test_streaming_list_ends_with_its_bookmark(api: Api, namespace: str) -> None:
    api.create(devices(namespace), device("d"))
    with api.watch(devices(namespace), INITIAL) as watch:
        added, bookmark = watch.take(2)
    assert added["type"] == "ADDED"
    assert bookmark["type"] == "BOOKMARK"
    assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    refused = api.get(f"{devices(namespace)}?watch=true&sendInitialEvents=true")
    assert refused.status == 422


def test_streaming_list_without_bookmarks_has_none(api: Api, namespace: str) -> None:
    api.create(devices(namespace), device("d"))
    query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
    with api.watch(devices(namespace), query) as watch:
        first = watch.next()
        api.create(devices(namespace), device("later"))
        events = [first, watch.next()]
    shown = [(event["type"], event["object"]["metadata"]["name"]) for event in events]
    assert shown == [("ADDED", "d"), ("ADDED", "later")]


@pytest.mark.parametrize(
    "query",
    [
        "sendInitialEvents=true&resourceVersionMatch=Exact",
        "resourceVersionMatch=NotOlderThan",
    ],
)
def test_bad_combinations_are_refused(api: Api, namespace: str, query: str) -> None:
    response = api.get(f"{devices(namespace)}?watch=true&{query}")
    assert (response.status, response.body["details"]["kind"]) == (422, "ListOptions")
    assert "resourceVersionMatch" in {field for _, field in response.causes}


def test_first_events_end_with_a_bookmark_when_these_are_asked_for(
    api: Api, namespace: str
) -> None:
    api.create(devices(namespace), device("d"))
    settled(api, namespace)
    with api.watch(devices(namespace), "allowWatchBookmarks=true") as watch:
        assert [event["type"] for event in watch.take(2)] == ["ADDED", "BOOKMARK"]


def test_watch_of_one_name_sees_only_it(api: Api, namespace: str) -> None:
    start = api.get(devices(namespace)).version
    query = f"resourceVersion={start}&fieldSelector=metadata.name%3Dd"
    with api.watch(devices(namespace), query) as watch:
        for name in ("c", "d", "e"):
            api.create(devices(namespace), device(name))
        api.delete(devices(namespace, "c"))
        api.delete(devices(namespace, "d"))
        events = watch.take(2)
    assert [(event["type"], event["object"]["metadata"]["name"]) for event in events] == [
        ("ADDED", "d"),
        ("DELETED", "d"),
    ]


def test_watch_from_the_future_waits(api: Api, namespace: str) -> None:
    future = int(api.get(devices(namespace)).version) + 1000
    query = f"resourceVersion={future}&timeoutSeconds=1"
    with api.watch(devices(namespace), query) as watch:
        api.create(devices(namespace), device("d"))
        assert watch.response.status == 200
        assert list(watch.rest()) == []


def test_core_objects_in_a_watch_have_api_version_and_kind(api: Api, namespace: str) -> None:
    api.create(core(namespace, "secrets"), {"metadata": {"name": "s"}})
    with api.watch(core(namespace, "secrets"), "fieldSelector=metadata.name%3Ds") as watch:
        obj = watch.next()["object"]
    assert (obj["apiVersion"], obj["kind"]) == ("v1", "Secret")


def test_watch_over_all_namespaces_tells_them_apart(api: Api, namespace: str) -> None:
    start = api.get(f"{GROUP}/edgedevices").version
    with api.watch(f"{GROUP}/edgedevices", f"resourceVersion={start}") as watch:
        api.create(devices(namespace), device(f"d-{namespace}"))
        # Objects of earlier tests are still being deleted meanwhile.
        objects = (watch.next()["object"]["metadata"] for _ in range(1000))
        assert next(item for item in objects if namespace in item["name"])["namespace"] == namespace


def test_bad_version_of_a_watch(api: Api, namespace: str) -> None:
    assert api.get(f"{devices(namespace)}?watch=true&resourceVersion=abc").status == 500


def test_table_watch_defines_columns_once(api: Api, namespace: str) -> None:
    for name in ("a", "b"):
        api.create(devices(namespace), device(name))
    settled(api, namespace)
    with api.watch(devices(namespace), Accept=TABLE) as watch:
        first, second = watch.take(2)
    assert first["object"]["columnDefinitions"][0]["name"] == "Name"
    assert second["object"]["columnDefinitions"] is None
    assert second["object"]["rows"][0]["cells"][0] == "b"


def test_watch_resumes_after_a_restart(own_engine: Engine) -> None:
    own_engine.start()
    api = Api(own_engine.kubeconfig("admin"))
    seen = api.create(devices("default"), device("a"))["metadata"]["resourceVersion"]
    api.create(devices("default"), device("b"))
    api.delete(devices("default", "a"))
    own_engine.stop()
    own_engine.start()
    with api.watch(f"{GROUP}/edgedevices", f"resourceVersion={seen}") as watch:
        events = watch.take(2)
    assert [(event["type"], event["object"]["metadata"]["name"]) for event in events] == [
        ("ADDED", "b"),
        ("DELETED", "a"),
    ]

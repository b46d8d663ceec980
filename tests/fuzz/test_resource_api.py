"""Bodies, paths and queries of the clients of the resource API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from inputs import as_json, json_values, like, mutations, text_mutations, texts
from properties import assert_all_printable, assert_small

from flotta.apiserver.catalogue import build_registry
from flotta.apiserver.errors import PlainTextError, StatusError
from flotta.apiserver.http.negotiation import Media, negotiate
from flotta.apiserver.http.table import make_table
from flotta.apiserver.http.targets import parse_target
from flotta.apiserver.objects import bodies, extent, lists, metadata, options
from flotta.apiserver.objects.admission import (
    admit_object,
    check_head,
    check_location,
    find_warnings,
)
from flotta.apiserver.objects.field_paths import decode_paths, encode_paths
from flotta.apiserver.objects.patch import (
    JSON_PATCH,
    MAX_COPIED,
    MERGE_PATCH,
    STRATEGIC_PATCH,
    apply_patch,
)
from flotta.apiserver.objects.selectors import parse_field_selector, parse_label_selector
from flotta.apiserver.registry import ServedResource
from flotta.identity.authority import Authority
from flotta.identity.lifetime import covered_names
from flotta.identity.server_requests import (
    MAX_NAMES,
    ServerRequestError,
    dump_server_request,
    parse_server_request,
)
from flotta.resources import crds
from flotta.yaml_loader import MAX_BYTES

Fuzz = Callable[..., None]
WORKLOAD = {
    "apiVersion": "management.project-flotta.io/v1alpha1",
    "kind": "EdgeWorkload",
    "metadata": {
        "name": "web",
        "namespace": "default",
        "labels": {"app": "web"},
        "finalizers": ["a/b"],
        "ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "n", "uid": "u"}],
    },
    "spec": {
        "deviceSelector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]},
        "type": "pod",
        "pod": {"spec": {"containers": [{"name": "web", "image": "x", "env": [{"name": "A"}]}]}},
        "data": {"egress": [{"source": "a", "target": "b"}]},
    },
}
YAML = b"""apiVersion: v1
kind: ConfigMap
metadata: {name: a, labels: &l {x: "1"}, annotations: *l}
data:
  text: |
    lines
  n: 0x1F
  t: 2024-01-01T00:00:00Z
  b: yes
"""
OPERATIONS = [
    {"op": "add", "path": "/metadata/labels/x", "value": "1"},
    {"op": "copy", "from": "/spec", "path": "/spec/x"},
    {"op": "move", "from": "/spec/type", "path": "/spec/y"},
    {"op": "test", "path": "/spec/type", "value": "pod"},
    {"op": "replace", "path": "/spec/pod/spec/containers/0/env/-", "value": None},
    {"op": "remove", "path": "/metadata/finalizers/0"},
]
DEVICE = {
    "metadata": {"name": "till-7", "labels": {"device.hostname": "till-7"}},
    "spec": {"heartbeat": {"periodSeconds": 5}, "storage": {"s3": {"createOBC": True}}},
    "status": {"conditions": [{"type": "Ready", "status": "True"}], "phase": "up"},
}
SECRET = {
    "metadata": {"name": "s"},
    "type": "kubernetes.io/dockerconfigjson",
    "data": {".dockerconfigjson": "e30="},
    "stringData": {"a": "b"},
}
EVENT = {
    "metadata": {"name": "e"},
    "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"},
    "reason": "R",
    "message": "m",
    "type": "Warning",
    "eventTime": "2026-05-01T12:00:00.000000Z",
    "reportingComponent": "a.b/c",
    "reportingInstance": "x",
    "action": "A",
    "series": {"count": 2, "lastObservedTime": "2026-05-01T12:00:00.000000Z"},
}
LEASE = {
    "metadata": {"name": "l"},
    "spec": {
        "holderIdentity": "x",
        "leaseDurationSeconds": 15,
        "renewTime": "2026-05-01T12:00:00Z",
    },
}
CONFIG_MAP = {"metadata": {"name": "c"}, "data": {"a": "b"}, "binaryData": {"x": "AAE="}}
REGISTRY = build_registry(crds.load())
RESOURCES = {
    resource.kind: resource
    for version in REGISTRY.group_versions()
    for resource in REGISTRY.within(version.group, version.version)
}
KINDS = sorted(RESOURCES)
TYPES = ("", "application/json", "application/yaml", bodies.PROTOBUF, "text/xml")


def test_bodies(fuzz: Fuzz) -> None:
    examples = mutations(json.dumps(WORKLOAD).encode(), YAML, b"k8s\0\n\x0a\x04\x0a\x02v1")

    def check(body: bytes, kind: str) -> None:
        try:
            decoded = asyncio.run(bodies.decode_body(body, kind, "EdgeWorkload"))
        except StatusError as error:
            assert_refused(error)
            return
        extent.check_value(decoded.value)
        assert_small(decoded.value, 8 * MAX_BYTES)
        json.dumps(decoded.value, allow_nan=False).encode()

    fuzz(check, st.one_of(examples, as_json(like(WORKLOAD))), st.sampled_from(TYPES))


def test_patches(fuzz: Fuzz) -> None:
    patches = st.one_of(like(OPERATIONS), like(WORKLOAD), json_values())

    def check(body: bytes, kind: str) -> None:
        before = json.dumps(WORKLOAD)
        try:
            patched, _ = apply_patch(kind, body, WORKLOAD)
        except StatusError as error:
            assert_refused(error)
        else:
            assert_small(patched, MAX_COPIED + len(body) * 8 + len(before))
        assert json.dumps(WORKLOAD) == before

    fuzz(check, as_json(patches), st.sampled_from((JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH)))


def test_objects_of_every_kind(fuzz: Fuzz) -> None:
    """From the decoded body to what is stored and shown, as `create_object` does it."""

    def check(value: Any, kind: str) -> None:
        resource = RESOURCES[kind]
        try:
            extent.check_value(value)
            stored = admit(value, resource)
        except StatusError as error:
            assert_refused(error)
            return
        except extent.ExcessiveValueError:
            return
        assert_all_printable(shown_cells(stored, resource))
        again, _ = admit_object(json.loads(json.dumps(stored)), resource, stored)
        assert again == stored

    objects = like(WORKLOAD, DEVICE, SECRET, EVENT, LEASE, CONFIG_MAP)
    fuzz(check, objects.filter(lambda value: isinstance(value, dict)), st.sampled_from(KINDS))


def admit(value: Any, resource: ServedResource) -> Any:
    value["kind"], value["apiVersion"] = resource.kind, resource.api_version
    check_head(value, resource, REGISTRY)
    metadata.decode_metadata(value)
    check_location(value, "default" if resource.namespaced else "", "")
    metadata.prepare_new(value, resource)
    stored, _ = admit_object(value, resource, None)
    find_warnings(stored, resource)
    return stored


def shown_cells(stored: Any, resource: ServedResource) -> Any:
    table = make_table(resource, [stored], {}, Media("json", "Table", "v1"))
    return table["rows"][0]["cells"]


def test_selectors(fuzz: Fuzz) -> None:
    labels = text_mutations("a=1,b in (x,y),!c,d notin (z),e>5,x.y/z!=4", "a,b")
    fields = {"type": ("type",)}

    def check(text: str, other: str) -> None:
        for parse in (parse_label_selector, lambda text: parse_field_selector(text, fields)):
            for given in (text, other):
                try:
                    selector = parse(given)
                except StatusError as error:
                    assert_refused(error)
                    continue
                if hasattr(selector, "requirements"):
                    selector.matches({"a": "1", "e": "7"})

    fuzz(check, labels, text_mutations("metadata.name=a,type!=b"))


def test_queries(fuzz: Fuzz) -> None:
    names = (
        *("dryRun", "fieldManager", "fieldValidation", "force", "propagationPolicy"),
        *("orphanDependents", "continue", "limit", "resourceVersion", "resourceVersionMatch"),
        *("sendInitialEvents", "labelSelector", "timeoutSeconds", "watch"),
    )
    values = st.one_of(texts(), st.sampled_from(["All", "Strict", "Exact", "0", "5", "true"]))
    queries = st.dictionaries(st.sampled_from(names), values, max_size=4)

    def check(query: dict[str, str], agent: str) -> None:
        for read in (
            lambda: options.write_options(query, agent, "CreateOptions"),
            lambda: options.write_options(query, agent, "PatchOptions", apply=True),
            lambda: options.delete_options(query, {}, "v1"),
            lambda: options.parse_integer(query, "limit"),
            lambda: lists.list_version(query),
            lambda: lists._check_options(query),
            lambda: lists._read_token(query.get("continue", "")),
        ):
            try:
                read()
            except StatusError as error:
                assert_refused(error)

    fuzz(check, queries, texts())


def test_delete_options(fuzz: Fuzz) -> None:
    example = {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "gracePeriodSeconds": 0,
        "propagationPolicy": "Background",
        "preconditions": {"uid": "u", "resourceVersion": "5"},
        "dryRun": ["All"],
    }

    def check(body: Any) -> None:
        if isinstance(body, dict):
            try:
                options.delete_options({}, body, "v1")
            except StatusError as error:
                assert_refused(error)

    fuzz(check, like(example))


def test_paths_and_accept_headers(fuzz: Fuzz) -> None:
    group = "/apis/management.project-flotta.io/v1alpha1/namespaces/default/edgedevices/a/status"

    def check(path: str, header: str) -> None:
        for method in ("GET", "PUT", "DELETE"):
            parse_target(method, path, {"watch": header})
        try:
            negotiate(header)
        except (StatusError, PlainTextError) as error:
            assert_refused(error)

    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/yaml;q=0.5"
    fuzz(check, text_mutations(group, "/api/v1/namespaces/a/secrets"), text_mutations(accept))


def test_managed_fields(fuzz: Fuzz) -> None:
    example = {"f:metadata": {"f:labels": {"f:a": {}, ".": {}}}, "f:spec": {'k:{"name":"x"}': {}}}

    def check(value: Any) -> None:
        if not isinstance(value, dict):
            return
        paths = decode_paths(value)
        assert decode_paths(encode_paths(paths)) == paths

    fuzz(check, like(example))


def assert_refused(error: StatusError | PlainTextError) -> None:
    """Assert that a refusal is one, and is not much larger than what it refuses."""
    assert 400 <= error.code < 500
    assert len(str(error)) < 64 * 1024


def test_requests_for_certificates_of_servers(fuzz: Fuzz) -> None:
    authority = Authority.create("flotta-ca")

    def check(text: bytes) -> None:
        try:
            names = parse_server_request(text)
        except ServerRequestError as error:
            assert_all_printable(str(error))
            assert_small(str(error), 4096)
            return
        assert 0 < len(names) <= MAX_NAMES
        assert parse_server_request(dump_server_request(names)) == names
        assert covered_names(authority.issue_server(names).certificate) == set(names)

    names = st.lists(text_mutations("*.store-1.example", "192.0.2.7", "fe80::1%eth0"), max_size=3)
    requests = st.builds(lambda given: json.dumps({"names": given}).encode(), names)
    fuzz(
        check, requests | as_json(like({"names": ["store.example"]})) | mutations(b'{"names": []}')
    )

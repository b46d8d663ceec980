"""Manifests of earlier releases become manifests that today's CRDs accept in full."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from crd_schemas import schemas_by_kind
from flotta.apiserver.schema.structural import StructuralSchema
from flotta.cli.commands.convert import convert_text
from flotta.migration.manifests import ConversionError, convert_manifest

Object = dict[str, Any]
GROUP = "management.project-flotta.io/v1alpha1"
OLD = Path(__file__).parent / "data/old_manifests.yaml"


def manifest(kind: str, spec: Object, **metadata: Any) -> Object:
    return {
        "apiVersion": GROUP,
        "kind": kind,
        "metadata": {"name": "a", **metadata},
        "spec": spec,
    }


def documents(text: str) -> dict[str, Object]:
    return {item["kind"]: item for item in yaml.safe_load_all(text)}


def test_edge_deployment_becomes_a_workload_that_uploads_its_paths() -> None:
    path = {"source": "stats", "target": "statistics"}
    old = manifest("EdgeDeployment", {"type": "pod", "data": {"paths": [path]}})
    new, warnings = convert_manifest(old)
    assert new["kind"] == "EdgeWorkload"
    assert new["spec"]["data"] == {"egress": [path]}
    assert len(warnings) == 2
    assert old["kind"] == "EdgeDeployment", "the given manifest was changed"
    assert convert_manifest(new) == (new, [])


def test_paths_are_added_to_egress() -> None:
    one, two = {"source": "a", "target": "a"}, {"source": "b", "target": "b"}
    data = {"paths": [one, two], "egress": [one], "ingress": [two]}
    new, _ = convert_manifest(manifest("EdgeWorkload", {"type": "pod", "data": data}))
    assert new["spec"]["data"] == {"egress": [one, two], "ingress": [two]}


def test_group_becomes_a_set_and_its_label_follows_in_devices_and_selectors() -> None:
    group, _ = convert_manifest(manifest("EdgeDeviceGroup", {"heartbeat": {"period_seconds": 5}}))
    assert (group["kind"], group["spec"]) == ("EdgeDeviceSet", {"heartbeat": {"periodSeconds": 5}})
    device, _ = convert_manifest(
        manifest("EdgeDevice", {}, labels={"flotta/configured-by": "north"})
    )
    assert device["metadata"]["labels"] == {"flotta/member-of": "north"}
    expression = {"key": "flotta/configured-by", "operator": "In", "values": ["north"]}
    aim = {"deviceSelector": {"matchExpressions": [expression]}}
    workload, _ = convert_manifest(manifest("EdgeWorkload", {"type": "pod", **aim}))
    found = workload["spec"]["deviceSelector"]["matchExpressions"]
    assert found == [{**expression, "key": "flotta/member-of"}]


def test_of_two_names_of_a_field_or_label_the_current_one_counts() -> None:
    labels = {"flotta/member-of": "north", "flotta/configured-by": "south"}
    heartbeat = {"periodSeconds": 12, "period_seconds": 11}
    names = {"apiVersion": "management.project-flotta.io/v1alpha1", "kind": "EdgeDevice"}
    old = {**names, "metadata": {"labels": labels}, "spec": {"heartbeat": heartbeat}}
    new, sentences = convert_manifest(old)
    assert new["metadata"] == {"labels": {"flotta/member-of": "north"}}
    assert new["spec"] == {"heartbeat": {"periodSeconds": 12}}
    assert sentences == [
        "label flotta/configured-by is dropped: it is now flotta/member-of, which is there, too",
        "spec.heartbeat.period_seconds is dropped: it is now periodSeconds, which is there, too",
    ]


def test_lists_are_converted_item_by_item() -> None:
    listed = {
        "apiVersion": GROUP,
        "kind": "EdgeDeploymentList",
        "items": [manifest("EdgeDeployment", {"type": "pod"})],
    }
    new, _ = convert_manifest(listed)
    assert (new["kind"], new["items"][0]["kind"]) == ("EdgeWorkloadList", "EdgeWorkload")


def test_pods_and_other_groups_stay_as_they_are() -> None:
    pod = {"spec": {"containers": [{"name": "a", "host_port": 1}]}}
    new, warnings = convert_manifest(manifest("EdgeWorkload", {"type": "pod", "pod": pod}))
    assert (new["spec"]["pod"], warnings) == (pod, [])
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"uid": "x"}}
    assert convert_manifest(secret) == (secret, [])


def test_manifests_of_no_kind_or_of_odd_shapes_stay_for_the_api_to_refuse() -> None:
    for odd in ({}, {"kind": None}, {"kind": "EdgeDevice", "metadata": []}, {"spec": 5}):
        document = {"apiVersion": "management.project-flotta.io/v1alpha1", **odd}
        assert convert_manifest(document) == (document, [])


def test_first_group_is_refused_with_the_remedy() -> None:
    with pytest.raises(ConversionError, match=r"write it again for management\.project-flotta\.io"):
        convert_manifest({"apiVersion": "management.k4e.io/v1alpha1", "kind": "EdgeDevice"})


def test_no_field_of_the_old_manifests_is_silently_dropped_by_the_api() -> None:
    found = documents(convert_text(OLD.read_text()).text)
    del found["ConfigMap"]
    assert set(found) == {"EdgeWorkload", "EdgeDevice", "EdgeDeviceSignedRequest", "EdgeConfig"}
    for kind, new in found.items():
        admission = StructuralSchema(schemas_by_kind()[kind]).admit(new)
        assert (admission.unknown, admission.causes) == ([], []), kind
    hardware = found["EdgeDeviceSignedRequest"]["spec"]["features"]["hardware"]
    assert hardware["cpu"]["frequency"] == "3400.00"
    assert hardware["hostDevices"] == [
        {"path": "/dev/x", "owner": 1, "group": 2, "deviceType": "char"}
    ]
    assert found["EdgeConfig"]["spec"]["edgePlaybook"]["playbooks"][0]["timeoutSeconds"] == 60


def test_document_without_changes_keeps_text_and_comments() -> None:
    text = "# ours\nkind: ConfigMap  # kept\napiVersion: v1\n"
    assert convert_text(f"{text}---\n{text}") == (f"{text}---\n{text}", [])


def test_command_reads_standard_input_and_warns_on_standard_error() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flotta.cli.flotta", "convert"],
        input=OLD.read_text(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert documents(done.stdout)["EdgeWorkload"]["metadata"]["name"] == "receipts"
    assert "EdgeDeployment receipts: spec.data.paths is now spec.data.egress" in done.stderr
    broken = subprocess.run(
        [sys.executable, "-m", "flotta.cli.flotta", "convert"],
        input="a: [",
        capture_output=True,
        text=True,
    )
    assert broken.returncode == 1
    assert broken.stderr.startswith("flotta: document 1 is not valid YAML")


def test_a_field_that_never_existed_is_kept_for_a_caller_who_refuses_it() -> None:
    spec = {"heartbeat": {"period_seconds": 5, "perod": {"a_b": 1}}}
    new, warnings = convert_manifest(manifest("EdgeDevice", spec), keep_unknown=True)
    assert new["spec"] == {"heartbeat": {"periodSeconds": 5, "perod": {"a_b": 1}}}
    assert warnings == ["spec.heartbeat.period_seconds is now periodSeconds"]


def test_a_field_that_never_existed_is_dropped_from_the_values_of_a_map() -> None:
    spec = {"logCollection": {"syslog": {"kind": "syslog", "bufer": 3}}}
    new, warnings = convert_manifest(manifest("EdgeDevice", spec), keep_unknown=True)
    assert new["spec"] == {"logCollection": {"syslog": {"kind": "syslog"}}}
    assert "bufer is dropped" in warnings[0]

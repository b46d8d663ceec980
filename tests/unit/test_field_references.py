"""Labels and annotations that a device gets because a pod refers to them."""

from __future__ import annotations

from typing import Any

import msgspec
from fleet_objects import Objects, container, device, workload

from flotta.fleet.rendering import render_configuration
from flotta.protocol.models import Workload
from flotta.worker.workloads.pod_facts import DeviceFacts, PodFacts

LABELS = {"tier": "front", "podman/app": "till", "other": "x"}
ANNOTATIONS = {"note": "new", "kubectl.kubernetes.io/last-applied-configuration": "{}"}


def rendered(pod: dict[str, Any]) -> Workload:
    resource = workload("web", pod)
    resource["metadata"] |= {"labels": LABELS, "annotations": ANNOTATIONS}
    [found] = render_configuration(device(), Objects(resource)).content.workloads or []
    assert found is not None
    return found


def field(path: str) -> dict[str, Any]:
    return {"env": [{"name": "F", "valueFrom": {"fieldRef": {"fieldPath": path}}}]}


def test_only_what_a_pod_asks_for_is_delivered() -> None:
    assert rendered(container()).field_labels is None
    found = rendered(container(**field("metadata.labels['tier']")))
    assert found.field_labels == {"tier": "front"}
    assert found.field_annotations is None
    assert found.labels == {"app": "till"}


def test_an_init_container_may_ask_too() -> None:
    initial = {"name": "i", "image": "x", **field("metadata.annotations['note']")}
    found = rendered({**container(), "initContainers": [initial]})
    assert found.field_annotations == {"note": "new"}


def test_files_may_have_all_labels_and_annotations_but_not_the_object_again() -> None:
    items = [
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        {"path": "annotations", "fieldRef": {"fieldPath": "metadata.annotations"}},
    ]
    plain = rendered({**container(), "volumes": [{"name": "v", "downwardAPI": {"items": items}}]})
    sources = {"sources": [{"downwardAPI": {"items": items}}]}
    projected = rendered({**container(), "volumes": [{"name": "v", "projected": sources}]})
    assert plain.field_labels == projected.field_labels == LABELS
    assert plain.field_annotations == projected.field_annotations == {"note": "new"}


def test_a_label_that_nobody_asks_for_makes_no_other_version() -> None:
    one, other = workload("web"), workload("web")
    other["metadata"]["labels"] = {"other": "y"}
    versions = {render_configuration(device(), Objects(item)).version for item in (one, other)}
    assert len(versions) == 1


def test_a_pod_sees_labels_without_the_prefix_that_makes_them_its_own() -> None:
    found = rendered(container(**field("metadata.labels['tier']")))
    facts = PodFacts.from_workload(msgspec.structs.replace(found), DeviceFacts("d"))
    assert facts.labels == {"tier": "front", "app": "till"}


def test_pull_secrets_are_delivered_and_a_missing_one_holds_nothing_back() -> None:
    pod = {**container(), "imagePullSecrets": [{"name": "keys"}, {"name": "gone"}]}
    source = Objects(workload("web", pod)).with_secret("keys", a="1")
    found = render_configuration(device(), source)
    assert [secret.name for secret in found.content.secrets or [] if secret] == ["keys"]
    assert not found.problems

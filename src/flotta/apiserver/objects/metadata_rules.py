"""What Kubernetes refuses in metadata with a 422: names, labels, owners and the like.

k8s.io/apimachinery/pkg/api/validation, and the limits in docs/reference/resource-api.md#limits.
"""

from __future__ import annotations

import json
from typing import Any

from flotta.apiserver import names
from flotta.apiserver.errors import Cause, forbidden_value, invalid_value, required, too_long
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.registry import ServedResource

UNQUALIFIED = "name is neither a standard finalizer name nor is it fully qualified"
DOMAINLESS_FINALIZERS = {"orphan", "foregroundDeletion", "kubernetes"}


# Kubernetes' TotalAnnotationSizeLimitB.
MAX_ANNOTATIONS = 256 * 1024  # bytes, keys and values together
# Server-side apply looks for each item of such a list in the whole list.
MAX_ITEMS = 256  # owners, and finalizers
# Each is checked, and told when it is refused. An EdgeDevice has one label for each workload.
MAX_KEYS = 1_000  # labels, and annotations
COUNTS = {
    **dict.fromkeys(("ownerReferences", "finalizers"), MAX_ITEMS),
    **dict.fromkeys(("labels", "annotations"), MAX_KEYS),
}


def validate_metadata(
    obj: JsonObject, resource: ServedResource, old: JsonObject | None
) -> list[Cause]:
    """Return everything that Kubernetes refuses in metadata with a 422."""
    meta = obj["metadata"]
    excessive = _validate_counts(meta, old)
    if excessive:
        return excessive  # instead of a cause for each item
    return [
        *(_validate_name(meta, resource) if old is None else ()),
        *_validate_labels(meta),
        *_validate_annotations(meta),
        *_validate_owners(meta),
        *_validate_finalizers(meta, old, custom=resource.custom),
    ]


def _validate_counts(meta: JsonObject, old: JsonObject | None) -> list[Cause]:
    """Return the causes of lists that are too long, unless they were longer before."""
    before = old["metadata"] if old else {}
    return [
        Cause(
            "FieldValueTooMany",
            f"Too many: {len(meta[key])}: must have at most {most} items",
            f"metadata.{key}",
        )
        for key, most in COUNTS.items()
        if len(meta.get(key, ())) > max(most, len(before.get(key, ())))
    ]


def _validate_name(meta: JsonObject, resource: ServedResource) -> list[Cause]:
    name, prefix = meta.get("name", ""), meta.get("generateName", "")
    if not name:
        return [required("metadata.name", "name or generateName is required")]
    is_namespace = resource.plural == "namespaces" and not resource.custom
    find_problem = names.dns_label_problem if is_namespace else names.subdomain_problem
    # A prefix may end with a character that a name must not end with.
    given = {"generateName": prefix.rstrip("-."), "name": name} if prefix else {"name": name}
    return [
        invalid_value(f"metadata.{key}", meta[key], problem)
        for key, value in given.items()
        if value and (problem := find_problem(value))
    ]


def _validate_labels(meta: JsonObject) -> list[Cause]:
    causes = []
    for key, value in meta.get("labels", {}).items():
        causes += [
            invalid_value("metadata.labels", key, problem)
            for problem in names.qualified_problems(key)
        ]
        problem = names.label_value_problem(value)
        if problem:
            causes.append(invalid_value("metadata.labels", value, problem))
    return causes


def _validate_annotations(meta: JsonObject) -> list[Cause]:
    annotations = meta.get("annotations", {})
    causes = [
        invalid_value("metadata.annotations", key, problem)
        for key in annotations
        for problem in names.qualified_problems(key.lower())
    ]
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    if size > MAX_ANNOTATIONS:
        causes.append(too_long("metadata.annotations", MAX_ANNOTATIONS))
    return causes


def _validate_owners(meta: JsonObject) -> list[Cause]:
    path = "metadata.ownerReferences"
    causes: list[Cause] = []
    owners = meta.get("ownerReferences", [])
    for owner in owners:
        if not _is_api_version(owner.get("apiVersion", "")):
            version = owner.get("apiVersion", "")
            causes.append(invalid_value(f"{path}.apiVersion", version, "version must not be empty"))
        causes += [
            invalid_value(f"{path}.{key}", "", "must not be empty")
            for key in ("kind", "name", "uid")
            if not owner.get(key)
        ]
        if (owner.get("apiVersion"), owner.get("kind")) == ("v1", "Event"):
            causes.append(
                _invalid_json(path, owner, "/v1, Kind=Event is disallowed from being an owner")
            )
    controllers = [
        f"{owner.get('kind')}/{owner.get('name')}" for owner in owners if owner.get("controller")
    ]
    if len(controllers) > 1:
        text = (
            "Only one reference can have Controller set to true. "
            f'Found "true" in references for {" and ".join(controllers[:2])}'
        )
        causes.append(_invalid_json(path, owners, text))
    return causes


def _is_api_version(text: str) -> bool:
    group, _, version = text.rpartition("/")
    return bool(version) and "/" not in group


def _invalid_json(path: str, value: Any, text: str) -> Cause:
    shown = json.dumps(value, separators=(",", ":"))
    return Cause("FieldValueInvalid", f"Invalid value: {shown}: {text}", path)


def _validate_finalizers(meta: JsonObject, old: JsonObject | None, *, custom: bool) -> list[Cause]:
    path = "metadata.finalizers"
    finalizers = meta.get("finalizers", [])
    causes = [
        invalid_value(path, finalizer, problem)
        for finalizer in finalizers
        for problem in names.qualified_problems(finalizer)
    ]
    if not custom and not causes:
        causes += [
            invalid_value(f"{path}[{index}]", finalizer, UNQUALIFIED)
            for index, finalizer in enumerate(finalizers)
            if "/" not in finalizer and finalizer not in DOMAINLESS_FINALIZERS
        ]
    if old is None or "deletionTimestamp" not in old["metadata"]:
        return causes
    present = set(old["metadata"].get("finalizers", []))
    added = [finalizer for finalizer in finalizers if finalizer not in present]
    if added:
        text = f"an object that is being deleted takes no new finalizers: {', '.join(added)}"
        causes.append(forbidden_value(path, text))
    return causes


def find_finalizer_warnings(obj: JsonObject) -> list[str]:
    """Return warnings about finalizers without a domain."""
    return [
        f'metadata.finalizers: "{finalizer}": prefer a domain-qualified finalizer name to avoid '
        "accidental conflicts with other finalizer writers"
        for finalizer in obj["metadata"].get("finalizers", [])
        if "/" not in finalizer and finalizer not in DOMAINLESS_FINALIZERS
    ]

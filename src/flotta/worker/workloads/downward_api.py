"""What a pod is told about itself: `fieldRef` and `resourceFieldRef` by Kubernetes' rules.

Fields: https://kubernetes.io/docs/concepts/workloads/pods/downward-api/#available-fields. The
addresses of pod and host are known only when the pod starts, so they are marks that its unit
replaces. The spelling of numbers is that of `ExtractContainerResourceValue` in
k8s.io/kubernetes/pkg/api/v1/resource.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from fractions import Fraction

from flotta.pod_fields.field_paths import read_entry
from flotta.worker.pod_unit.plan import HOST_ADDRESS, POD_ADDRESS
from flotta.worker.workloads.pod_facts import PodFacts
from flotta.worker.workloads.pod_spec import (
    Container,
    PodSpec,
    ResourceFieldReference,
    invalid_specification,
    list_containers,
)
from flotta.worker.workloads.quantities import parse_quantity

RESOURCE = re.compile(r"(limits|requests)\.(cpu|memory|ephemeral-storage)")
MILLI = Fraction(1, 1000)


def read_field(path: str, spec: PodSpec, facts: PodFacts) -> str:
    """Return the value of a field of the pod, empty for a label or annotation that is missing.

    `metadata.labels` and `metadata.annotations` as a whole are lines of `key="value"`. Raises
    WorkloadError InvalidSpecification for a field that a device does not know.
    """
    entry = read_entry(path)
    if entry is not None:
        texts = facts.labels if entry.kind == "labels" else facts.annotations
        return texts.get(entry.key, "")
    values = {
        "metadata.name": facts.name,
        "metadata.namespace": facts.namespace,
        "metadata.uid": facts.uid,
        "metadata.labels": _format_texts(facts.labels),
        "metadata.annotations": _format_texts(facts.annotations),
        "spec.nodeName": facts.device.device_id,
        "status.hostIP": HOST_ADDRESS,
        "status.podIP": HOST_ADDRESS if spec.get("hostNetwork") else POD_ADDRESS,
    }
    if path not in values:
        raise invalid_specification(f"a device does not know the field {path[:80]!r} of a pod")
    return values[path]


def _format_texts(texts: Mapping[str, str]) -> str:
    return "\n".join(
        f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in sorted(texts.items())
    )


def read_resource(
    reference: ResourceFieldReference, spec: PodSpec, container: Container | None, facts: PodFacts
) -> str:
    """Return a limit or request in multiples of the divisor, rounded up.

    Without a limit it is what the device has; without a request it is the limit that is written, or
    0. `container` is that of the variable, None in a volume, where the reference names one. Raises
    WorkloadError InvalidSpecification.
    """
    wanted = str(reference.get("resource"))
    match = RESOURCE.fullmatch(wanted)
    if match is None:
        raise invalid_specification(f"a device does not know the resource {wanted[:80]!r}")
    value = _read_amount(match[1], match[2], _find_container(reference, spec, container), facts)
    divisor = parse_quantity(reference.get("divisor") or 1) or Fraction(1)
    if divisor < 0:
        raise invalid_specification(f"the divisor of {wanted} is negative")
    unit = MILLI if match[2] == "cpu" else Fraction(1)
    return str(math.ceil(Fraction(math.ceil(value / unit), math.ceil(divisor / unit))))


def _find_container(
    reference: ResourceFieldReference, spec: PodSpec, container: Container | None
) -> Container:
    name = reference.get("containerName")
    if not name and container is not None:
        return container
    for other in list_containers(spec):
        if other["name"] == name:
            return other
    raise invalid_specification(
        f"a resourceFieldRef names the container {name!r}, which is missing"
    )


def _read_amount(kind: str, resource: str, container: Container, facts: PodFacts) -> Fraction:
    resources = container.get("resources") or {}
    limit = parse_quantity((resources.get("limits") or {}).get(resource) or 0)
    if kind == "limits":
        return limit or _read_allocatable(resource, facts)
    request = (resources.get("requests") or {}).get(resource)
    return limit if request is None else parse_quantity(request)


def _read_allocatable(resource: str, facts: PodFacts) -> Fraction:
    device = facts.device
    amounts = {"cpu": device.cpus, "memory": device.memory, "ephemeral-storage": device.storage}
    return Fraction(amounts[resource])

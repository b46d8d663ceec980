"""Fields of a pod that this device does not carry out (docs/reference/pod-fields.md)."""

from __future__ import annotations

from flotta.pod_fields.check import describe_refused, find_refused
from flotta.pod_fields.field import PodmanVersion
from flotta.protocol.reasons.workloads import UNSUPPORTED_FIELD
from flotta.worker.errors import WorkloadError
from flotta.worker.workloads.pod_facts import PodFacts
from flotta.worker.workloads.pod_spec import PodSpec


def check_fields(spec: PodSpec, facts: PodFacts) -> None:
    """Raise WorkloadError UnsupportedField if podman or the worker would ignore a field."""
    major, minor, _ = facts.device.podman_version
    refused = find_refused(spec, PodmanVersion(major, minor))
    if refused:
        raise WorkloadError(UNSUPPORTED_FIELD, describe_refused(refused), permanent=True)

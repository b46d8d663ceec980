"""The EdgeDevice of an approved request, and whether anybody changed it since."""

from __future__ import annotations

from datetime import datetime

from flotta.fleet.joining import UNREGISTERED_LABEL
from flotta.fleet.registration_batches import RESERVED_LABEL_PREFIX
from flotta.fleet.self_asserted import (
    ASSERTED_ANNOTATION,
    BROUGHT_ANNOTATION,
    brought_labels,
    write_labels,
)
from flotta.resources.finalizers import DEVICE_FINALIZER
from flotta.resources.kinds import EDGE_DEVICE, MEMBER_LABEL
from flotta.resources.objects.devices import EdgeDevice, SignedRequest
from flotta.resources.views import generation_of, labels_of, name_of, spec_of
from flotta.rfc3339 import format_time


def make_edge_device(request: SignedRequest, now: datetime) -> EdgeDevice:
    """Return the EdgeDevice of an approved request, not registered yet."""
    return {
        "apiVersion": EDGE_DEVICE.api_version,
        "kind": EDGE_DEVICE.kind,
        "metadata": {
            "name": name_of(request),
            "namespace": request["spec"]["targetNamespace"],
            "labels": _given_labels(request),
            "annotations": _notes(request),
            "finalizers": [DEVICE_FINALIZER],
        },
        "spec": {"requestTime": format_time(now)},
    }


def is_as_created(request: SignedRequest, device: EdgeDevice) -> bool:
    """Tell whether the operator created the EdgeDevice, and nobody completed it since."""
    present = {
        key: text
        for key, text in labels_of(device).items()
        if not key.startswith(RESERVED_LABEL_PREFIX)  # these follow from EdgeWorkloads
    }
    made_here = bool(spec_of(device).get("requestTime")) and generation_of(device) <= 1
    return made_here and present == _given_labels(request)


def _notes(request: SignedRequest) -> dict[str, str]:
    """Return the annotations: which labels the device asserted (none yet), and brought along."""
    brought = write_labels(brought_labels(request, spec_of(request).get("labels") or {}))
    return {ASSERTED_ANNOTATION: "", **({BROUGHT_ANNOTATION: brought} if brought else {})}


def _given_labels(request: SignedRequest) -> dict[str, str]:
    spec = spec_of(request)
    labels = {**(spec.get("labels") or {}), UNREGISTERED_LABEL: "true"}
    if spec.get("targetSet"):
        labels[MEMBER_LABEL] = spec["targetSet"]
    return labels

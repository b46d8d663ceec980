"""Objects that the operator plans for, as the API gives them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from flotta.operator.controllers.device.bucket_claims import make_bucket_claim
from flotta.operator.runtime.steps import Patch, Plan, RecordEvent
from flotta.operator.settings import Settings
from flotta.rfc3339 import format_time

Object = dict[str, Any]
NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
SETTINGS = Settings(bucket_auto_create=False)
VALID = {
    "type": "Accepted",
    "status": "True",
    "reason": "Valid",
    "message": "The device's own settings are in effect",
    "lastTransitionTime": "2026-05-01T12:00:00Z",
    "observedGeneration": 0,
}


def device(name: str = "till-1", **fields: Any) -> Object:
    metadata = {
        "name": name,
        "namespace": "default",
        "uid": f"uid-{name}",
        "resourceVersion": "5",
        "labels": fields.pop("labels", {}),
        "finalizers": fields.pop("finalizers", ["device-finalizer"]),
    }
    fields.setdefault("conditions", [VALID])
    if "generation" in fields:
        metadata["generation"] = fields.pop("generation")
    if "deleted" in fields:
        metadata["deletionTimestamp"] = fields.pop("deleted")
    return {"metadata": metadata, "spec": fields.pop("spec", {}), "status": fields}


def workload(name: str = "printer", **spec: Any) -> Object:
    metadata = {"name": name, "namespace": "default", "uid": name, "resourceVersion": "7"}
    return {"metadata": metadata | {"generation": 2}, "spec": spec}


def request(**spec: Any) -> Object:
    metadata = {"name": "till-1", "namespace": "default", "uid": "r", "resourceVersion": "3"}
    return {"metadata": metadata, "spec": {"targetNamespace": "default", **spec}}


def claim(phase: str | None = None, **metadata: Any) -> Object:
    made = make_bucket_claim(device(), SETTINGS)
    made["metadata"].update(
        {"uid": "claim", "resourceVersion": "1", "creationTimestamp": format_time(NOW)} | metadata
    )
    return made | ({"status": {"phase": phase}} if phase else {})


def applied(resource: Object, plan: Plan) -> Object:
    """Return the object after the plan's only step but Events, a patch of its status."""
    (step,) = [step for step in plan.steps if not isinstance(step, RecordEvent)]
    assert isinstance(step, Patch)
    assert step.subresource == "status"
    status = (resource.get("status") or {}) | step.patch["status"]
    return resource | {"status": {k: v for k, v in status.items() if v is not None}}


def truths(resource: Object) -> dict[str, str]:
    return {item["type"]: item["status"] for item in resource["status"]["conditions"]}


def s3(**fields: Any) -> Object:
    return {"storage": {"s3": fields}}

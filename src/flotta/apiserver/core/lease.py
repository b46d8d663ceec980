"""The rules of Leases (coordination.k8s.io/v1)."""

from __future__ import annotations

from collections.abc import Iterable

from flotta.apiserver.core.schema import CoreSchema
from flotta.apiserver.errors import Cause, invalid_value
from flotta.apiserver.json_object import JsonObject

SCHEMA = CoreSchema("io.k8s.api.coordination.v1.Lease")


def normalize(lease: JsonObject, _old: JsonObject | None) -> None:
    """Add the spec, which a Lease always has."""
    lease.setdefault("spec", {})


def validate(new: JsonObject, _old: JsonObject | None) -> Iterable[Cause]:
    """Return the numbers that are out of range."""
    spec = new["spec"]
    duration = spec.get("leaseDurationSeconds")
    if duration is not None and duration <= 0:
        yield invalid_value("spec.leaseDurationSeconds", duration, "must be greater than 0")
    transitions = spec.get("leaseTransitions")
    if transitions is not None and transitions < 0:
        yield invalid_value(
            "spec.leaseTransitions", transitions, "must be greater than or equal to 0"
        )

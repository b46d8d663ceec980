"""Whether a device gets a bucket claim, and what its status says about the claim."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flotta.fleet.joining import is_registered
from flotta.operator.settings import Settings
from flotta.resources.conditions import READY, Condition, ConditionState, find_condition
from flotta.resources.kinds import BUCKET_CLAIM, EDGE_DEVICE
from flotta.rfc3339 import parse_required_time
from flotta.storage.provisioner import is_bound

Object = dict[str, Any]
PROVISIONER_TIMEOUT = 10.0  # seconds in which a provisioner normally answers


def wants_claim(device: Object, device_set: Object | None, *, auto_create: bool) -> bool:
    """Tell whether the device is to have a bucket claim.

    The set's storage section replaces the device's as a whole, so external
    storage counts where it is in force; `createOBC` counts on either.
    """
    if not is_registered(device):
        return False
    in_force = storage_section(device if device_set is None else device_set)
    if in_force.get("configMapName") or in_force.get("secretName"):
        return False
    asked = storage_section(device).get("createOBC") or (
        device_set and storage_section(device_set).get("createOBC")
    )
    return bool(auto_create or asked)


def make_bucket_claim(device: Object, settings: Settings) -> Object:
    """Return the claim of a device; it is named like the device and goes with it."""
    metadata = device["metadata"]
    return {
        "apiVersion": BUCKET_CLAIM.api_version,
        "kind": BUCKET_CLAIM.kind,
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "ownerReferences": [_owner_reference(metadata)],
        },
        "spec": {
            "generateBucketName": metadata["name"],
            "storageClassName": settings.bucket_storage_class,
        },
    }


def bound_claim_name(device: Object, claim: Object | None) -> str | None:
    """Return what `status.dataObc` has to be: the claim's name from Bound until the claim goes."""
    if claim is None or claim["metadata"].get("deletionTimestamp"):
        return None
    current: str | None = (device.get("status") or {}).get("dataObc")
    if is_bound(claim):
        return str(claim["metadata"]["name"])
    return current or None


def judge_storage(device: Object, claim: Object | None, *, wanted: bool) -> ConditionState | None:
    """Judge the bucket that a device has by its claim; None when it has, and gets, none by a claim."""
    if claim is None or claim["metadata"].get("deletionTimestamp"):
        return None
    name = claim["metadata"]["name"]
    if bound_claim_name(device, claim):
        return "True", "ClaimBound", f"ObjectBucketClaim {name} is answered"
    if not wanted:
        return None
    problem = find_condition(conditions_of(claim), READY)
    if problem:
        return "False", problem["reason"], f"ObjectBucketClaim {name}: {problem['message']}"
    storage_class = claim.get("spec", {}).get("storageClassName") or "none"
    text = f"No provisioner has answered ObjectBucketClaim {name} yet; its storage class is {storage_class}"
    return "False", "ClaimPending", text


def provisioner_time_left(claim: Object | None, now: datetime) -> float:
    """Return the seconds left to a provisioner before a claim without a condition is reported."""
    if claim is None or is_bound(claim) or find_condition(conditions_of(claim), READY):
        return 0.0
    asked = parse_required_time(claim["metadata"]["creationTimestamp"])
    return max(0.0, PROVISIONER_TIMEOUT - (now - asked).total_seconds())


def conditions_of(claim: Object) -> list[Condition]:
    """Return the conditions of the claim."""
    return (claim.get("status") or {}).get("conditions") or []


def belongs_to(claim: Object, device: Object) -> bool:
    """Tell whether the claim goes when the device goes: it is owned by it, or recorded as its own."""
    owners = claim["metadata"].get("ownerReferences") or []
    owned = any(owner.get("uid") == device["metadata"]["uid"] for owner in owners)
    recorded = (device.get("status") or {}).get("dataObc") == claim["metadata"]["name"]
    return owned or (recorded and not owners)


def _owner_reference(metadata: Object) -> Object:
    return {
        "apiVersion": EDGE_DEVICE.api_version,
        "kind": EDGE_DEVICE.kind,
        "name": metadata["name"],
        "uid": metadata["uid"],
    }


def storage_section(resource: Object) -> Object:
    """Return `spec.storage.s3` of a device or set, empty when there is none."""
    storage = (resource.get("spec") or {}).get("storage") or {}
    section: Object = storage.get("s3") or {}
    return section

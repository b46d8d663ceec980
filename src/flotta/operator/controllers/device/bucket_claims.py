"""Whether a device gets a bucket claim, and what its status says about the claim.

See docs/reference/control-plane.md#bucket-claims.
"""

from __future__ import annotations

from datetime import datetime

from flotta.fleet.claim_ownership import DEVICE_ANNOTATION, is_claim_of
from flotta.fleet.joining import is_registered
from flotta.operator.controllers.device_views import storage_section
from flotta.operator.settings import Settings
from flotta.protocol.reasons.conditions import (
    CLAIM_BOUND,
    CLAIM_FOREIGN,
    CLAIM_PENDING,
    EXTERNAL_IGNORED,
    PROVISIONING_FAILED,
)
from flotta.resources.conditions import READY, ConditionState, find_condition
from flotta.resources.kinds import BUCKET_CLAIM, EDGE_DEVICE
from flotta.resources.objects.device_settings import EdgeDeviceSet
from flotta.resources.objects.devices import EdgeDevice
from flotta.resources.objects.meta import OwnerReference
from flotta.resources.objects.storage import BucketClaim
from flotta.resources.views import (
    conditions_of,
    is_being_deleted,
    name_of,
    namespace_of,
    spec_of,
    status_of,
    uid_of,
)
from flotta.rfc3339 import parse_required_time
from flotta.storage.provisioner import is_bound

PROVISIONER_TIMEOUT = 10.0  # seconds in which a provisioner normally handles a claim


def wants_claim(device: EdgeDevice, device_set: EdgeDeviceSet | None, *, auto_create: bool) -> bool:
    """Tell whether the device should have a bucket claim.

    The set's storage section replaces the device's as a whole, so external storage counts only
    where it is in effect; `createOBC` counts on either.
    """
    if not is_registered(device) or names_external(device, device_set):
        return False
    asked = storage_section(device).get("createOBC") or (
        device_set is not None and storage_section(device_set).get("createOBC")
    )
    return bool(auto_create or asked)


def names_external(device: EdgeDevice, device_set: EdgeDeviceSet | None) -> bool:
    """Tell whether the storage section in effect names an external bucket, even incompletely."""
    in_force = storage_section(device if device_set is None else device_set)
    return bool(in_force.get("configMapName") or in_force.get("secretName"))


def make_bucket_claim(device: EdgeDevice, settings: Settings) -> BucketClaim:
    """Return the claim of a device; it has the device's name and is deleted with it."""
    return {
        "apiVersion": BUCKET_CLAIM.api_version,
        "kind": BUCKET_CLAIM.kind,
        "metadata": {
            "name": name_of(device),
            "namespace": namespace_of(device),
            "ownerReferences": [_owner_reference(device)],
        },
        "spec": {
            "generateBucketName": name_of(device),
            "storageClassName": settings.bucket_storage_class,
        },
    }


def bound_claim_name(device: EdgeDevice, claim: BucketClaim | None) -> str | None:
    """Return `status.dataObc`: the claim's name from Bound until the claim is deleted.

    None for a claim that is not the device's, even if an earlier operator recorded it.
    """
    if claim is None or is_being_deleted(claim) or not is_claim_of(claim, device):
        return None
    if is_bound(claim):
        return name_of(claim)
    return status_of(device).get("dataObc") or None


def judge_storage(
    device: EdgeDevice, claim: BucketClaim | None, *, wanted: bool, external: bool
) -> ConditionState | None:
    """Judge the bucket that a device has from its claim.

    `external` tells whether an external bucket is named. None when the device has no bucket from a
    claim and gets none: the condition does not apply to it.
    """
    if claim is None:
        return None
    if not is_claim_of(claim, device):
        # Said whether a claim is wanted or not: who made it by hand may expect it to be used.
        return None if external or not is_registered(device) else _judge_foreign(device, claim)
    if is_being_deleted(claim):
        return None
    if bound_claim_name(device, claim):
        return _judge_bound(claim, external=external)
    return _judge_unbound(claim) if wanted else None


def _judge_bound(claim: BucketClaim, *, external: bool) -> ConditionState:
    text = f"ObjectBucketClaim {name_of(claim)} is bound"
    if not external:
        return "True", CLAIM_BOUND, text
    text += "; configMapName and secretName of storage.s3 are ignored as long as it exists"
    return "True", EXTERNAL_IGNORED, text


def _judge_unbound(claim: BucketClaim) -> ConditionState:
    name = name_of(claim)
    problem = find_condition(conditions_of(claim), READY)
    if problem:
        return "False", PROVISIONING_FAILED, f"ObjectBucketClaim {name}: {problem['message']}"
    storage_class = spec_of(claim).get("storageClassName") or "none"
    text = (
        f"No provisioner has handled ObjectBucketClaim {name} yet; "
        f"its storage class is {storage_class}"
    )
    return "False", CLAIM_PENDING, text


def _judge_foreign(device: EdgeDevice, claim: BucketClaim) -> ConditionState:
    name, namespace = name_of(claim), namespace_of(claim)
    text = (
        f"ObjectBucketClaim {name} was not made for this EdgeDevice, which gets no keys from it; "
    )
    if is_being_deleted(claim):
        text += "it is being deleted, and its condition Ready says what becomes of the bucket"
        return "False", CLAIM_FOREIGN, text
    text += (
        "if it is to use that bucket, run: kubectl annotate objectbucketclaim "
        f"{name} --namespace {namespace} {DEVICE_ANNOTATION}={uid_of(device)} --overwrite"
    )
    return "False", CLAIM_FOREIGN, text


def provisioner_time_left(claim: BucketClaim | None, now: datetime) -> float:
    """Return the seconds that a provisioner has left before the claim is reported."""
    if claim is None or is_bound(claim) or find_condition(conditions_of(claim), READY):
        return 0.0
    asked = parse_required_time(claim["metadata"]["creationTimestamp"])
    return max(0.0, PROVISIONER_TIMEOUT - (now - asked).total_seconds())


def _owner_reference(device: EdgeDevice) -> OwnerReference:
    return {
        "apiVersion": EDGE_DEVICE.api_version,
        "kind": EDGE_DEVICE.kind,
        "name": name_of(device),
        "uid": uid_of(device),
    }

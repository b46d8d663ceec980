"""Whose a bucket claim is, and what belongs to a claim.

A device chooses its own name, and a claim is found by that name. So the name proves nothing: a
claim gives its keys only to the EdgeDevice for which somebody with the right to write claims made
it or marked it (docs/reference/control-plane.md#whose-claim-it-is).
"""

from __future__ import annotations

from flotta.resources.objects.devices import EdgeDevice
from flotta.resources.objects.storage import BucketClaim
from flotta.resources.views import (
    annotations_of,
    is_owned_by,
    name_of,
    spec_of,
    status_of,
    uid_of,
)

# Of a claim: UID of the EdgeDevice that may use it. Not its name: a device chooses that, and
# another one may have it later.
DEVICE_ANNOTATION = "flotta.project-flotta.io/device"
NOOBAA_CLASS = "openshift-storage.noobaa.io"  # the only storage class of v0.2


def is_claim_of(claim: BucketClaim, device: EdgeDevice) -> bool:
    """Tell whether the device may use the claim, an object of the device's namespace."""
    return (
        is_owned_by(claim, device)
        or annotations_of(claim).get(DEVICE_ANNOTATION) == uid_of(device)
        or _is_made_by_v02(claim, device)
    )


def _is_made_by_v02(claim: BucketClaim, device: EdgeDevice) -> bool:
    """Tell whether v0.2's operator made the claim for the device.

    Its claims have no owner. It recorded them in the status at once, which our operator does only
    for claims that pass `is_claim_of`, and it also took claims that existed before the device.
    """
    name, spec, metadata = name_of(device), spec_of(claim), claim["metadata"]
    since = device["metadata"].get("creationTimestamp") or ""
    return (
        status_of(device).get("dataObc") == name_of(claim) == name
        and not metadata.get("ownerReferences")
        and spec.get("generateBucketName") == name
        and spec.get("storageClassName") == NOOBAA_CLASS
        and (metadata.get("creationTimestamp") or "") >= since
    )

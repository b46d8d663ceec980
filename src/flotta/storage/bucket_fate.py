"""What becomes of the bucket of a claim that is being deleted.

A bucket is deleted with its claim, and the claim with its EdgeDevice. But when an EdgeDevice
disappears without its decommissioning (a finalizer that was removed, a restore that gave it another
UID), Kubernetes' garbage collector deletes the claim, and a namespace that is deleted takes both
along: nobody asked for the content to go. Such a bucket stays until somebody decides
(docs/reference/control-plane.md#a-claim-without-its-device).
"""

from __future__ import annotations

from typing import Literal

from flotta.resources.client import Client
from flotta.resources.deletion_scope import find_ending_scope
from flotta.resources.kinds import EDGE_DEVICE
from flotta.resources.objects.meta import OwnerReference
from flotta.resources.objects.storage import BucketClaim
from flotta.resources.views import annotations_of, is_owned_by, name_of, namespace_of

BUCKET_ANNOTATION = "flotta.project-flotta.io/bucket"  # of a claim: "keep" or "delete"
Fate = Literal["keep", "delete", "undecided"]
KEEP: Fate = "keep"
DELETE: Fate = "delete"
UNDECIDED: Fate = "undecided"
KEPT_BUCKET = (
    "bucket {bucket} is kept, because the EdgeDevice that owned the claim goes or went without "
    "being decommissioned; save what you need, then run: kubectl annotate objectbucketclaim "
    "{claim} "
    f"--namespace {{namespace}} {BUCKET_ANNOTATION}=delete, or =keep to leave it on the S3 server"
)


def describe_kept(bucket: str, claim: BucketClaim) -> str:
    """Return the sentence that says why a bucket is kept, and what to do."""
    names = {"claim": name_of(claim), "namespace": namespace_of(claim)}
    return KEPT_BUCKET.format(bucket=bucket, **names)


async def decide_fate(client: Client, claim: BucketClaim) -> Fate:
    """Return what to do with the bucket of a claim that is being deleted; raises ApiError.

    It is undecided if the claim belonged to an EdgeDevice that does not exist any more, or that
    goes with its namespace or its kind: then only an empty bucket is deleted.
    """
    decided = annotations_of(claim).get(BUCKET_ANNOTATION)
    if decided in (KEEP, DELETE):
        return KEEP if decided == KEEP else DELETE
    owners = [owner for owner in _owners(claim) if owner.get("kind") == EDGE_DEVICE.kind]
    if not owners:
        return DELETE
    for owner in owners:
        namespace = namespace_of(claim)
        device = await client.get_or_none(EDGE_DEVICE, owner["name"], namespace)
        if device is None or not is_owned_by(claim, device):
            continue
        # Whether the claim or the EdgeDevice goes first must make no difference.
        if await find_ending_scope(client, namespace, EDGE_DEVICE, device) is None:
            return DELETE
    return UNDECIDED


def _owners(claim: BucketClaim) -> list[OwnerReference]:
    return claim["metadata"].get("ownerReferences") or []

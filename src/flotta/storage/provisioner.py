"""The provisioner: gives ObjectBucketClaims of one storage class a bucket and an access key.

Its rules are in docs/reference/control-plane.md#how-the-operator-provisions-a-claim. Bucket and key
are in a ConfigMap and a Secret named like the claim (`claim_objects`). The Secret decides which
access key is in use; `issuers` says how a crash in between is repaired.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from flotta.own_names import OPERATOR
from flotta.protocol.reasons.conditions import KEYS_REVOKED, KEYS_SHARED
from flotta.protocol.reasons.events import SHARED_KEYS
from flotta.resources.changes import as_read, change_metadata, change_spec, change_status
from flotta.resources.client import Client
from flotta.resources.conditions import READY, with_condition
from flotta.resources.finalizers import BUCKET_FINALIZER
from flotta.resources.kinds import BUCKET_CLAIM
from flotta.resources.objects.meta import MergePatch
from flotta.resources.objects.storage import BucketClaim, BucketClaimSpec, BucketClaimStatus
from flotta.resources.views import (
    conditions_of,
    finalizers_of,
    is_being_deleted,
    key_of,
    name_of,
    namespace_of,
    spec_of,
    status_of,
    uid_of,
)
from flotta.storage.access_keys import AccessKey
from flotta.storage.bucket_fate import KEEP, UNDECIDED, decide_fate, describe_kept
from flotta.storage.bucket_names import is_bucket_of, make_bucket_name
from flotta.storage.buckets import Buckets
from flotta.storage.claim_objects import ClaimObjects
from flotta.storage.errors import StorageRefused, StorageUnavailable
from flotta.storage.iam_issuer import IamIssuer
from flotta.storage.issuers import DirectoryIssuer, KeyIssuer, SharedIssuer
from flotta.storage.s3_site import S3Site
from flotta.storage.settings import StorageSettings

KEY_LINGERS = 2.0  # seconds until an S3 server no longer accepts a revoked key
log = logging.getLogger(__name__)


def choose_issuer(settings: StorageSettings, site: S3Site) -> KeyIssuer:
    """Return the issuer for these settings."""
    if settings.keys is not None:
        return DirectoryIssuer(settings.keys)
    return IamIssuer(site) if settings.iam_endpoint else SharedIssuer(site)


@dataclass(frozen=True)
class Provisioner:
    """Provisions one claim at a time; every step may be repeated."""

    client: Client
    site: S3Site
    issuer: KeyIssuer
    device_endpoint: str
    storage_class: str
    own_namespace: str  # of the control plane, whose Secrets are the fleet's keys

    def is_ours(self, claim: BucketClaim) -> bool:
        """Tell whether the claim has our storage class, or had it when its bucket was created."""
        same_class = spec_of(claim).get("storageClassName") == self.storage_class
        return same_class or has_bucket_finalizer(claim)

    async def reconcile(self, claim: BucketClaim, *, quarantined: bool = False) -> float | None:
        """Provision the claim, or clean up after one that is being deleted.

        `quarantined` says that its device is: then its access keys are revoked instead. A new one
        is issued when that ends.

        Returns the seconds after which to call this again for the rest, None when all is done.
        Raises ApiError (Conflict when the claim is not the newest) and StorageError.
        """
        if not self.is_ours(claim):
            return None
        if is_being_deleted(claim):
            return await self._clean_up(claim) if has_bucket_finalizer(claim) else None
        if quarantined:
            await self._revoke_keys(claim)
            return None
        if namespace_of(claim) == self.own_namespace:
            # Nothing is created that the operator may not hand out, or remove afterwards.
            raise StorageRefused(
                f"the operator has no permission on Secrets of namespace "
                f"{self.own_namespace}, which holds the keys of the fleet; "
                "use another namespace for devices with buckets"
            )
        await self._provide_bucket(claim)
        return None

    async def _provide_bucket(self, claim: BucketClaim) -> None:
        claim = await self._adopt_claim(claim)
        bucket = claim["spec"]["bucketName"]
        objects = ClaimObjects(self.client, claim)
        known = await objects.read_key(bucket)
        await Buckets(self.site).ensure(bucket)
        await self._hand_out_key(objects, known, bucket)
        await objects.write_config_map(bucket, self.device_endpoint, self.site.region)
        if not is_bound(claim) or status_of(claim).get("conditions"):
            await self._bind_claim(claim, bucket)

    async def _adopt_claim(self, claim: BucketClaim) -> BucketClaim:
        """Write bucket name and finalizer before anything exists that must be removed later."""
        spec = spec_of(claim)
        change: MergePatch = {}
        wanted = spec.get("generateBucketName") or name_of(claim)
        name = spec.get("bucketName") or make_bucket_name(wanted, uid_of(claim))
        if not spec.get("bucketName"):
            chosen: BucketClaimSpec = {**spec, "bucketName": name}
            change = change_spec(claim, chosen)
        elif not is_bucket_of(name, uid_of(claim)):
            # An exact name could be the bucket of another device, or one not created by flotta.
            raise StorageRefused(
                "spec.bucketName cannot be chosen with this storage class; use generateBucketName"
            )
        if not has_bucket_finalizer(claim):
            await self._refuse_existing(name)
            finalizers = [*finalizers_of(claim), BUCKET_FINALIZER]
            change = {**change, **change_metadata({"finalizers": finalizers})}
        return await self._patch_claim(claim, change) if change else claim

    async def _refuse_existing(self, bucket: str) -> None:
        """Refuse what somebody else made, before the claim says that the bucket is its own.

        From then on everything of this name is the claim's, and is removed with it.
        """
        if await Buckets(self.site).exists(bucket):
            raise StorageRefused(
                f"bucket {bucket} exists and was not created for the claim; "
                "delete the claim and create it again, which gives it another name"
            )
        if await self.issuer.has_keys(bucket):
            raise StorageRefused(
                f"access keys or a user of the name {bucket} exist and are not the claim's; "
                "delete the claim and create it again, which gives it another name"
            )

    async def _hand_out_key(
        self, objects: ClaimObjects, known: AccessKey | None, bucket: str
    ) -> None:
        try:
            authority = self.site.read_ca()
        except ValueError as error:
            raise StorageUnavailable(str(error)) from error
        if known is not None and await self.issuer.activate_key(known):
            await objects.write_secret(known, authority)
            return
        key = await self.issuer.issue_key(bucket)
        await objects.write_secret(key, authority)
        await self.issuer.activate_key(key)

    async def _revoke_keys(self, claim: BucketClaim) -> None:
        """Revoke the keys of a claim whose device is quarantined, and say so in its condition.

        Its bucket stays as it is. Raises StorageRefused when the claim does not say which it is.
        """
        bucket = spec_of(claim).get("bucketName") or ""
        reason, message = KEYS_REVOKED, "the device is quarantined; its access keys are revoked"
        if self.issuer.warning:
            reason, message = KEYS_SHARED, f"the device is quarantined, but {self.issuer.warning}"
        elif has_bucket_finalizer(claim):
            if not is_bucket_of(bucket, uid_of(claim)):
                raise StorageRefused(
                    "the device is quarantined, but spec.bucketName was changed, so its access "
                    "keys are not known; set it back to the bucket's name"
                )
            objects = ClaimObjects(self.client, claim)
            known = await objects.read_key(bucket)
            # The Secret first: from then on nothing makes this key valid again.
            await objects.forget_key()
            await self.issuer.revoke_keys(bucket, known)
        old, generation = conditions_of(claim), claim["metadata"].get("generation")
        now = datetime.now(UTC)
        conditions = with_condition(old, READY, "False", reason, message, now, generation)
        status: BucketClaimStatus = {**status_of(claim), "conditions": conditions}
        change = change_status(claim, status)
        if change:
            await self._patch_claim(claim, change, "status")
            log.info("Claim %s/%s: %s", *key_of(claim), message)

    async def _bind_claim(self, claim: BucketClaim, bucket: str) -> None:
        # Conditions only say why a claim is not bound.
        bound: BucketClaimStatus = {**status_of(claim), "phase": "Bound"}
        bound.pop("conditions", None)
        await self._patch_claim(claim, change_status(claim, bound), "status")
        log.info("Claim %s/%s is bound to %s", *key_of(claim), bucket)
        if self.issuer.warning:
            await self.client.record_event(
                claim,
                kind=BUCKET_CLAIM,
                type_="Warning",
                reason=SHARED_KEYS,
                message=self.issuer.warning,
                component=OPERATOR,
            )

    async def _clean_up(self, claim: BucketClaim) -> float | None:
        bucket = spec_of(claim).get("bucketName") or ""
        if is_bucket_of(bucket, uid_of(claim)):
            fate = await decide_fate(self.client, claim)
            if fate == UNDECIDED and not await Buckets(self.site).is_empty(bucket):
                raise StorageRefused(describe_kept(bucket, claim))
            # Keys first: nothing must be written into a bucket that is being emptied.
            if await self.issuer.revoke_keys(bucket):
                return KEY_LINGERS
            if fate != KEEP:
                await Buckets(self.site).remove(bucket)
        await ClaimObjects(self.client, claim).delete()
        kept = [item for item in finalizers_of(claim) if item != BUCKET_FINALIZER]
        await self._patch_claim(claim, change_metadata({"finalizers": kept}))
        log.info("Bucket %s of claim %s/%s is removed", bucket, *key_of(claim))
        return None

    async def _patch_claim(
        self, claim: BucketClaim, change: MergePatch, subresource: str | None = None
    ) -> BucketClaim:
        """Change the claim unless it changed since it was read; raises Conflict then."""
        patch = as_read(change, claim)
        return await self.client.merge_patch(
            BUCKET_CLAIM, name_of(claim), namespace_of(claim), patch, subresource
        )


def has_bucket_finalizer(claim: BucketClaim) -> bool:
    """Tell whether a bucket may exist for the claim, which must be removed with it."""
    return BUCKET_FINALIZER in finalizers_of(claim)


def is_bound(claim: BucketClaim) -> bool:
    """Tell whether the claim has its bucket."""
    return status_of(claim).get("phase") == "Bound"

"""The provisioner: answers ObjectBucketClaims of one storage class with a bucket and a key pair.

The answer is a ConfigMap and a Secret named like the claim (ARCHITECTURE "Bucket claims"). The
Secret is the truth about the key pair; `issuers` says how a crash in the middle is put right.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..resources.kinds import BUCKET_CLAIM
from .answers import Answer
from .buckets import Buckets
from .errors import StorageRefused, StorageUnavailable
from .iam_issuer import IamIssuer
from .issuers import DirectoryIssuer, KeyIssuer, SharedIssuer
from .names import bucket_name, is_bucket_of
from .site import Site

if TYPE_CHECKING:
    from ..resources.client import Client
    from .keys import Key
    from .settings import StorageSettings

Object = dict[str, Any]
FINALIZER = "flotta.project-flotta.io/bucket"
KEY_LINGERS = 2.0  # seconds until an S3 server has certainly noticed a dropped key
COMPONENT = "flotta-operator"
log = logging.getLogger(__name__)


def issuer_for(settings: StorageSettings, site: Site) -> KeyIssuer:
    """Return the issuer that the administrator chose."""
    if settings.keys is not None:
        return DirectoryIssuer(settings.keys)
    return IamIssuer(site) if settings.iam_endpoint else SharedIssuer(site)


@dataclass(frozen=True)
class Provisioner:
    """Brings one claim after the other in line; every step may be repeated."""

    client: Client
    site: Site
    issuer: KeyIssuer
    device_endpoint: str
    storage_class: str

    def is_ours(self, claim: Object) -> bool:
        """Say whether the claim is for our storage class, or was answered by us under another name."""
        same_class = (claim.get("spec") or {}).get("storageClassName") == self.storage_class
        return same_class or is_answered(claim)

    async def reconcile(self, claim: Object) -> float | None:
        """Provide for the claim, or clean up after one that is being deleted.

        Returns the seconds after which to come back for the rest, None when all is done.
        Raises ApiError (Conflict when the claim is not the newest) and StorageError.
        """
        if not self.is_ours(claim):
            return None
        if claim["metadata"].get("deletionTimestamp"):
            return await self._release(claim) if is_answered(claim) else None
        await self._provide(claim)
        return None

    async def _provide(self, claim: Object) -> None:
        claim = await self._adopt(claim)
        bucket = claim["spec"]["bucketName"]
        answer = Answer(self.client, claim)
        known = await answer.key(bucket)
        await Buckets(self.site).ensure(bucket)
        await self._hand_out(answer, known, bucket)
        await answer.write_config_map(bucket, self.device_endpoint, self.site.region)
        if not is_bound(claim) or claim["status"].get("conditions"):
            await self._bind(claim, bucket)

    async def _adopt(self, claim: Object) -> Object:
        """Fix name of the bucket and finalizer before anything exists that would need removal."""
        metadata, spec = claim["metadata"], claim["spec"]
        change: Object = {}
        if not spec.get("bucketName"):
            wanted = spec.get("generateBucketName") or metadata["name"]
            change["spec"] = {"bucketName": bucket_name(wanted, metadata["uid"])}
        elif not is_bucket_of(spec["bucketName"], metadata["uid"]):
            # An exact name could be the bucket of another device, or one that is not Flotta's.
            raise StorageRefused(
                "spec.bucketName cannot be chosen with this storage class; use generateBucketName"
            )
        if not is_answered(claim):
            change["metadata"] = {"finalizers": [*(metadata.get("finalizers") or []), FINALIZER]}
        return await self._patch(claim, change) if change else claim

    async def _hand_out(self, answer: Answer, known: Key | None, bucket: str) -> None:
        try:
            authority = self.site.authority()
        except ValueError as error:
            raise StorageUnavailable(str(error)) from error
        if known is not None and await self.issuer.settle(known):
            await answer.write_secret(known, authority)
            return
        key = await self.issuer.issue(bucket)
        await answer.write_secret(key, authority)
        await self.issuer.settle(key)

    async def _bind(self, claim: Object, bucket: str) -> None:
        # Conditions only say why a claim is not answered.
        await self._patch(claim, {"status": {"phase": "Bound", "conditions": None}}, "status")
        log.info("Claim %s/%s is bound to %s", *_name(claim), bucket)
        if self.issuer.warning:
            await self.client.record_event(
                claim,
                kind=BUCKET_CLAIM,
                type_="Warning",
                reason="SharedKeys",
                message=self.issuer.warning,
                component=COMPONENT,
            )

    async def _release(self, claim: Object) -> float | None:
        metadata = claim["metadata"]
        bucket = (claim.get("spec") or {}).get("bucketName") or ""
        if is_bucket_of(bucket, metadata["uid"]):
            # Keys first: nobody may write into a bucket that is being emptied.
            if await self.issuer.withdraw(bucket):
                return KEY_LINGERS
            await Buckets(self.site).remove(bucket)
        await Answer(self.client, claim).remove()
        kept = [item for item in metadata["finalizers"] if item != FINALIZER]
        await self._patch(claim, {"metadata": {"finalizers": kept}})
        log.info("Bucket %s of claim %s/%s is removed", bucket, *_name(claim))
        return None

    async def _patch(self, claim: Object, change: Object, subresource: str | None = None) -> Object:
        metadata = claim["metadata"]
        version = {"resourceVersion": metadata["resourceVersion"]}
        patch = {**change, "metadata": {**change.get("metadata", {}), **version}}
        return await self.client.merge_patch(
            BUCKET_CLAIM, metadata["name"], metadata["namespace"], patch, subresource
        )


def is_answered(claim: Object) -> bool:
    """Say whether a bucket may exist for the claim, so that it has to be removed with it."""
    return FINALIZER in (claim["metadata"].get("finalizers") or [])


def is_bound(claim: Object) -> bool:
    """Say whether the claim has its bucket."""
    return bool((claim.get("status") or {}).get("phase") == "Bound")


def _name(claim: Object) -> tuple[str, str]:
    return claim["metadata"]["namespace"], claim["metadata"]["name"]

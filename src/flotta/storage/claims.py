"""The provisioner: answers ObjectBucketClaims of one storage class with a bucket and a key pair.

The answer is a ConfigMap and a Secret named like the claim (ARCHITECTURE "Bucket claims"). The
Secret is the truth about the key pair: the file in the server's key store is derived from it, so a
crash between the two leaves nothing behind that the next run does not put right.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..resources.client import AlreadyExists, NotFound
from ..resources.kinds import BUCKET_CLAIM, CONFIG_MAP, SECRET
from .errors import StorageRefused
from .keys import Key, drop_keys, write_key
from .names import bucket_name, is_access_key, new_access_key, new_secret_key

if TYPE_CHECKING:
    from pathlib import Path

    from ..resources.client import Client
    from ..resources.kinds import Kind
    from .buckets import Buckets

Object = dict[str, Any]
FINALIZER = "flotta.project-flotta.io/bucket"
REGION = "us-east-1"
KEY_LINGERS = 2.0  # seconds until the S3 server has certainly noticed a dropped key
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Location:
    """Where devices reach the buckets: `https://host:port`, and the CA that signed its certificate."""

    endpoint: str
    ca_pem: bytes

    def config_map_data(self, bucket: str) -> dict[str, str]:
        """Return the data of a claim's ConfigMap."""
        url = urlsplit(self.endpoint)
        return {
            "BUCKET_NAME": bucket,
            "BUCKET_HOST": url.hostname or "",
            "BUCKET_PORT": str(url.port or 443),
            "BUCKET_REGION": REGION,
        }


class Provisioner:
    """Brings one claim after the other in line; every step may be repeated."""

    def __init__(
        self, client: Client, buckets: Buckets, keys: Path, location: Location, storage_class: str
    ):
        self._client = client
        self._buckets = buckets
        self._keys = keys
        self._location = location
        self._class = storage_class

    def is_ours(self, claim: Object) -> bool:
        """Say whether the claim is for our storage class."""
        return bool((claim.get("spec") or {}).get("storageClassName") == self._class)

    async def reconcile(self, claim: Object) -> float | None:
        """Provide for the claim, or clean up after one that is being deleted.

        Returns the seconds after which to come back for the rest, None when all is done.
        Raises ApiError (Conflict when the claim is not the newest) and StorageError.
        """
        if not self.is_ours(claim):
            return None
        if claim["metadata"].get("deletionTimestamp"):
            return await self._release(claim)
        await self._provide(claim)
        return None

    async def _provide(self, claim: Object) -> None:
        claim = await self._adopt(claim)
        bucket = claim["spec"]["bucketName"]
        await self._buckets.ensure(bucket)
        key = await self._key_pair(claim, bucket)
        await asyncio.to_thread(write_key, self._keys, key)
        await asyncio.to_thread(drop_keys, self._keys, bucket, keep=key.access_key)
        data = self._location.config_map_data(bucket)
        await self._ensure(CONFIG_MAP, claim, {"data": data})
        if (claim.get("status") or {}).get("phase") != "Bound":
            await self._patch(claim, {"status": {"phase": "Bound"}}, "status")
            log.info("Claim %s/%s is bound to %s", *_name(claim), bucket)

    async def _adopt(self, claim: Object) -> Object:
        """Fix name of the bucket and finalizer before anything exists that would need removal."""
        metadata, spec = claim["metadata"], claim["spec"]
        change: Object = {}
        if FINALIZER not in (metadata.get("finalizers") or []):
            change["metadata"] = {"finalizers": [*(metadata.get("finalizers") or []), FINALIZER]}
        if not spec.get("bucketName"):
            wanted = spec.get("generateBucketName") or metadata["name"]
            change["spec"] = {"bucketName": bucket_name(wanted, metadata["uid"])}
        return await self._patch(claim, change) if change else claim

    async def _key_pair(self, claim: Object, bucket: str) -> Key:
        namespace, name = _name(claim)
        try:
            secret = await self._client.get(SECRET, name, namespace)
            refuse_foreign(secret, claim)
        except NotFound:
            secret = {}
        key = _key_of(secret, bucket) or Key(new_access_key(), new_secret_key(), bucket)
        wanted = {
            "AWS_ACCESS_KEY_ID": key.access_key.encode(),
            "AWS_SECRET_ACCESS_KEY": key.secret_key.encode(),
            "tls.crt": self._location.ca_pem,
        }
        data = {name: base64.b64encode(value).decode() for name, value in wanted.items()}
        await self._ensure(SECRET, claim, {"data": data, "type": "Opaque"})
        return key

    async def _release(self, claim: Object) -> float | None:
        metadata = claim["metadata"]
        if FINALIZER not in (metadata.get("finalizers") or []):
            return None
        bucket = claim["spec"].get("bucketName")
        if bucket:
            # Keys first: nobody may write into a bucket that is being emptied.
            if await asyncio.to_thread(drop_keys, self._keys, bucket):
                return KEY_LINGERS
            await self._buckets.remove(bucket)
        for kind in (SECRET, CONFIG_MAP):
            await self._remove(kind, claim)
        kept = [item for item in metadata["finalizers"] if item != FINALIZER]
        await self._patch(claim, {"metadata": {"finalizers": kept}})
        log.info("Bucket %s of claim %s/%s is removed", bucket, *_name(claim))
        return None

    async def _patch(self, claim: Object, change: Object, subresource: str | None = None) -> Object:
        metadata = claim["metadata"]
        version = {"resourceVersion": metadata["resourceVersion"]}
        patch = {**change, "metadata": {**change.get("metadata", {}), **version}}
        return await self._client.merge_patch(
            BUCKET_CLAIM, metadata["name"], metadata["namespace"], patch, subresource
        )

    async def _ensure(self, kind: Kind, claim: Object, content: Object) -> None:
        """Create the object of the claim's name, or bring the data of the one that is there in line."""
        namespace, name = _name(claim)
        try:
            await self._client.create(kind, named_like(claim) | content)
        except AlreadyExists:
            current = await self._client.get(kind, name, namespace)
        else:
            return
        refuse_foreign(current, claim)
        have = current.get("data") or {}
        change = {key: value for key, value in content["data"].items() if have.get(key) != value}
        if change:
            await self._client.merge_patch(kind, name, namespace, {"data": change})

    async def _remove(self, kind: Kind, claim: Object) -> None:
        """Delete the object of the claim's name if it is the claim's."""
        namespace, name = _name(claim)
        try:
            found = await self._client.get(kind, name, namespace)
            if is_owned(found, claim):
                await self._client.delete(kind, name, namespace, uid=found["metadata"]["uid"])
        except NotFound:
            return


def named_like(claim: Object) -> Object:
    """Return the beginning of an object that has the claim's name and goes with it."""
    metadata = claim["metadata"]
    owner = {
        "apiVersion": BUCKET_CLAIM.api_version,
        "kind": BUCKET_CLAIM.kind,
        "name": metadata["name"],
        "uid": metadata["uid"],
    }
    return {
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "ownerReferences": [owner],
        }
    }


def is_owned(resource: Object, claim: Object) -> bool:
    """Say whether the object was made for this claim."""
    owners = resource["metadata"].get("ownerReferences") or []
    return any(owner.get("uid") == claim["metadata"]["uid"] for owner in owners)


def refuse_foreign(resource: Object, claim: Object) -> None:
    """Raise StorageRefused for an object of the claim's name that is somebody else's."""
    if not is_owned(resource, claim):
        raise StorageRefused(
            f"the {resource.get('kind', 'object')} {'/'.join(_name(claim))} is not the claim's; "
            "it is left alone, and the claim stays unbound until it is gone"
        )


def _key_of(secret: Object, bucket: str) -> Key | None:
    data = secret.get("data") or {}
    try:
        pair = [base64.b64decode(data[name]).decode() for name in _PAIR]
    except (KeyError, ValueError):
        return None
    return Key(pair[0], pair[1], bucket) if is_access_key(pair[0]) and pair[1] else None


_PAIR = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def _name(claim: Object) -> tuple[str, str]:
    return claim["metadata"]["namespace"], claim["metadata"]["name"]

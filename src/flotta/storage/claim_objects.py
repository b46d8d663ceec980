"""The ConfigMap and the Secret of a bucket claim, which have its name and are deleted with it.

Their keys: docs/reference/control-plane.md#storage.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import urlsplit

from flotta.resources.client import AlreadyExists, Client, Forbidden, NotFound
from flotta.resources.kinds import BUCKET_CLAIM, CONFIG_MAP, SECRET, Kind
from flotta.resources.objects.core import ConfigMap, Secret
from flotta.resources.objects.meta import ObjectMeta, OwnerReference, Resource
from flotta.resources.objects.storage import BucketClaim
from flotta.resources.views import is_owned_by, name_of, namespace_of, uid_of
from flotta.storage.access_keys import AccessKey
from flotta.storage.errors import StorageRefused

HTTPS_PORT = 443  # TCP
AUTHORITY = "tls.crt"  # key of the Secret: the CA, as PEM
ACCESS_KEY, SECRET_KEY = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"  # keys of the Secret
DataObject = TypeVar("DataObject", Secret, ConfigMap)


class ClaimObjects:
    """Reads and writes the two objects of a claim; refuses objects that the claim does not own."""

    def __init__(self, client: Client, claim: BucketClaim) -> None:
        self._client = client
        self._claim = claim
        self._namespace, self._name = namespace_of(claim), name_of(claim)

    async def read_key(self, bucket: str) -> AccessKey | None:
        """Return the access key of the Secret, None without one.

        Raises StorageRefused when the claim does not own the Secret.
        """
        secret = await self._client.get_or_none(SECRET, self._name, self._namespace)
        if secret is None:
            return None
        self._refuse_foreign(secret)
        data = secret.get("data") or {}
        try:
            access_key, secret_key = (
                base64.b64decode(data[name]).decode() for name in (ACCESS_KEY, SECRET_KEY)
            )
        except (KeyError, ValueError):
            return None
        return AccessKey(access_key, secret_key, bucket) if access_key and secret_key else None

    async def write_secret(self, key: AccessKey, authority: bytes) -> None:
        """Write the access key and the CA of the S3 site (PEM), empty if it needs none.

        Raises StorageRefused when the claim does not own the Secret of this name.
        """
        values = {
            ACCESS_KEY: key.access_key.encode(),
            SECRET_KEY: key.secret_key.encode(),
            AUTHORITY: authority,
        }
        data = {
            name: base64.b64encode(value).decode() if value else None
            for name, value in values.items()
        }
        secret: Secret = {"metadata": self._metadata(), "type": "Opaque"}
        await self._ensure_object(SECRET, secret, data)

    async def forget_key(self) -> None:
        """Remove the access key from the Secret if there is one.

        Raises StorageRefused when the claim does not own the Secret of this name.
        """
        secret = await self._client.get_or_none(SECRET, self._name, self._namespace)
        if secret is None:
            return
        self._refuse_foreign(secret)
        forgotten = {
            name: None for name in (ACCESS_KEY, SECRET_KEY) if name in (secret.get("data") or {})
        }
        if forgotten:
            await self._client.merge_patch(SECRET, self._name, self._namespace, {"data": forgotten})

    async def write_config_map(self, bucket: str, endpoint: str, region: str) -> None:
        """Write where devices find the bucket; the endpoint is `https://host[:port]`.

        Raises StorageRefused when the claim does not own the ConfigMap of this name.
        """
        url = urlsplit(endpoint)
        data: dict[str, str | None] = {
            "BUCKET_NAME": bucket,
            "BUCKET_HOST": url.hostname or "",
            "BUCKET_PORT": str(url.port or HTTPS_PORT),
            "BUCKET_REGION": region,
        }
        config_map: ConfigMap = {"metadata": self._metadata()}
        await self._ensure_object(CONFIG_MAP, config_map, data)

    async def delete(self) -> None:
        """Delete both objects if the claim owns them; absent ones are fine.

        Where the operator has no permission they are left to the API's garbage collection.
        """
        await self._delete_own(SECRET)
        await self._delete_own(CONFIG_MAP)

    async def _ensure_object(
        self, kind: Kind[DataObject], new: DataObject, data: Mapping[str, str | None]
    ) -> None:
        """Create the object, or change the data of the existing one; None removes a key."""
        new["data"] = {key: value for key, value in data.items() if value is not None}
        try:
            await self._client.create(kind, new)
        except AlreadyExists:
            current = await self._client.get(kind, self._name, self._namespace)
        else:
            return
        self._refuse_foreign(current)
        have = current.get("data") or {}
        change = {key: value for key, value in data.items() if have.get(key) != value}
        if change:
            await self._client.merge_patch(kind, self._name, self._namespace, {"data": change})

    async def _delete_own(self, kind: Kind[Resource]) -> None:
        with contextlib.suppress(NotFound, Forbidden):  # deleted meanwhile, or in our namespace
            found = await self._client.get_or_none(kind, self._name, self._namespace)
            if found is None or not is_owned_by(found, self._claim):
                return
            await self._client.delete(kind, self._name, self._namespace, uid=uid_of(found))

    def _metadata(self) -> ObjectMeta:
        owner: OwnerReference = {
            "apiVersion": BUCKET_CLAIM.api_version,
            "kind": BUCKET_CLAIM.kind,
            "name": self._name,
            "uid": uid_of(self._claim),
        }
        return {"name": self._name, "namespace": self._namespace, "ownerReferences": [owner]}

    def _refuse_foreign(self, resource: Resource) -> None:
        if not is_owned_by(resource, self._claim):
            raise StorageRefused(
                f"the {resource.get('kind', 'object')} {self._namespace}/{self._name} exists and "
                "was not created for the claim; it is left unchanged, and the claim stays unbound "
                "until you delete it"
            )

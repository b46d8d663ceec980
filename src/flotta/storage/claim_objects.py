"""What a bucket claim is given: a ConfigMap and a Secret of its name that go with it."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlsplit

from flotta.resources.client import AlreadyExists, Client, NotFound
from flotta.resources.kinds import BUCKET_CLAIM, CONFIG_MAP, SECRET, Kind
from flotta.storage.access_keys import AccessKey
from flotta.storage.errors import StorageRefused

Object = dict[str, Any]
AUTHORITY = "tls.crt"
KEY_FIELDS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


class ClaimObjects:
    """Reads and writes the two objects of one claim; those of somebody else are refused."""

    def __init__(self, client: Client, claim: Object) -> None:
        self._client = client
        self._claim = claim
        self._namespace, self._name = claim["metadata"]["namespace"], claim["metadata"]["name"]

    async def read_key(self, bucket: str) -> AccessKey | None:
        """Return the access key of the Secret, None without one.

        Raises StorageRefused when the Secret is not the claim's.
        """
        secret = await self._client.get_or_none(SECRET, self._name, self._namespace)
        if secret is None:
            return None
        self._refuse_foreign(secret)
        data = secret.get("data") or {}
        try:
            values = [base64.b64decode(data[name]).decode() for name in KEY_FIELDS]
        except (KeyError, ValueError):
            return None
        return AccessKey(values[0], values[1], bucket) if all(values) else None

    async def write_secret(self, key: AccessKey, authority: bytes) -> None:
        """Write the access key and the CA of the S3 site, if that has one of its own."""
        values = {
            KEY_FIELDS[0]: key.access_key.encode(),
            KEY_FIELDS[1]: key.secret_key.encode(),
            AUTHORITY: authority,
        }
        data = {
            name: base64.b64encode(value).decode() if value else None
            for name, value in values.items()
        }
        await self._ensure_object(SECRET, data, {"type": "Opaque"})

    async def write_config_map(self, bucket: str, endpoint: str, region: str) -> None:
        """Write where devices find the bucket; the endpoint is `https://host[:port]`."""
        url = urlsplit(endpoint)
        data: dict[str, str | None] = {
            "BUCKET_NAME": bucket,
            "BUCKET_HOST": url.hostname or "",
            "BUCKET_PORT": str(url.port or 443),
            "BUCKET_REGION": region,
        }
        await self._ensure_object(CONFIG_MAP, data)

    async def delete(self) -> None:
        """Delete both objects if they are the claim's."""
        for kind in (SECRET, CONFIG_MAP):
            await self._delete_own(kind)

    async def _ensure_object(
        self, kind: Kind, data: dict[str, str | None], more: Object | None = None
    ) -> None:
        """Create the object, or bring the data of the present one in line; None removes a name."""
        present = {key: value for key, value in data.items() if value is not None}
        try:
            await self._client.create(kind, self._metadata() | {"data": present} | (more or {}))
        except AlreadyExists:
            current = await self._client.get(kind, self._name, self._namespace)
        else:
            return
        self._refuse_foreign(current)
        have = current.get("data") or {}
        change = {key: value for key, value in data.items() if have.get(key) != value}
        if change:
            await self._client.merge_patch(kind, self._name, self._namespace, {"data": change})

    async def _delete_own(self, kind: Kind) -> None:
        try:
            found = await self._client.get(kind, self._name, self._namespace)
            if self._owns(found):
                uid = found["metadata"]["uid"]
                await self._client.delete(kind, self._name, self._namespace, uid=uid)
        except NotFound:
            return

    def _metadata(self) -> Object:
        owner = {
            "apiVersion": BUCKET_CLAIM.api_version,
            "kind": BUCKET_CLAIM.kind,
            "name": self._name,
            "uid": self._claim["metadata"]["uid"],
        }
        names = {"name": self._name, "namespace": self._namespace}
        return {"metadata": {**names, "ownerReferences": [owner]}}

    def _owns(self, resource: Object) -> bool:
        owners = resource["metadata"].get("ownerReferences") or []
        return any(owner.get("uid") == self._claim["metadata"]["uid"] for owner in owners)

    def _refuse_foreign(self, resource: Object) -> None:
        if not self._owns(resource):
            raise StorageRefused(
                f"the {resource.get('kind', 'object')} {self._namespace}/{self._name} is not the "
                "claim's; it is left alone, and the claim stays unbound until it is gone"
            )

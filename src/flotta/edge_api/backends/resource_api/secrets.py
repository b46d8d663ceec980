"""The fleet's certificates and keys in Secrets of one namespace."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
from collections.abc import Callable, Mapping

from flotta.backoff import Backoff
from flotta.edge_api.backends.backend import SecretConflict, StoredSecret
from flotta.edge_api.backends.resource_api.errors import refuse_api_error, translate_api_errors
from flotta.fleet.registration_batches import ERROR_ANNOTATION
from flotta.own_names import (
    REGISTRATION_LABEL,
    REGISTRATION_SELECTOR,
    SERVER_ERROR_ANNOTATION,
    SERVER_LABEL,
    SERVER_SELECTOR,
)
from flotta.resources.cache import Cache
from flotta.resources.client import AlreadyExists, Client, Conflict
from flotta.resources.kinds import SECRET
from flotta.resources.objects.core import Secret
from flotta.resources.views import annotations_of, labels_of, name_of, namespace_of

CREATE_ATTEMPTS = 5  # requests
CREATE_RETRY = 0.07, 1.0  # first and longest seconds between two of them
log = logging.getLogger(__name__)


class Secrets:
    """A SecretStore. It reads from the API itself; `watched` only reports changes."""

    def __init__(self, client: Client, namespace: str, watched: Cache[Secret]) -> None:
        self._client = client
        self._namespace = namespace
        self._watched = watched

    @translate_api_errors
    async def read(self, name: str) -> StoredSecret | None:
        """Return a Secret, None when it does not exist."""
        secret = await self._client.get_or_none(SECRET, name, self._namespace)
        return stored_secret(secret) if secret else None

    @translate_api_errors
    async def create(
        self, name: str, data: Mapping[str, bytes], *, registration: bool = False
    ) -> StoredSecret:
        """Create a Secret, or return the one that another server created first."""
        secret: Secret = {
            "metadata": {
                "name": name,
                "namespace": self._namespace,
                "labels": {REGISTRATION_LABEL: "true"} if registration else {},
            },
            "type": "Opaque",
            "data": _encode(data),
        }
        backoff = Backoff(*CREATE_RETRY)
        for _ in range(CREATE_ATTEMPTS):
            try:
                created = await self._client.create(SECRET, secret)
            except AlreadyExists:
                found = await self._client.get_or_none(SECRET, name, self._namespace)
                if found is not None:
                    return stored_secret(found)
                await asyncio.sleep(backoff.next())  # it is just being written or deleted
            else:
                log.info("Created Secret %s/%s", self._namespace, name)
                return stored_secret(created)
        return stored_secret(await self._client.get(SECRET, name, self._namespace))

    @translate_api_errors
    async def replace(
        self, secret: StoredSecret, data: Mapping[str, bytes], *, problem: str | None = None
    ) -> None:
        """Replace the data of a Secret; its labels and other metadata stay.

        A problem is an annotation.
        """
        found = await self._client.get(SECRET, secret.name, self._namespace)
        found["metadata"]["resourceVersion"] = secret.version  # the API compares it
        if problem is not None:
            noted = _error_annotation(found)
            others = {k: v for k, v in annotations_of(found).items() if k != noted}
            note = {noted: problem} if problem else {}
            found["metadata"]["annotations"] = {**others, **note}
        new: Secret = {**found, "data": _encode(data)}
        try:
            await self._client.replace(SECRET, new)
        except Conflict as error:
            raise SecretConflict(str(error), refuse_api_error(error)) from error

    @translate_api_errors
    async def remove(self, secret: StoredSecret) -> None:
        """Delete a Secret."""
        try:
            await self._client.delete(
                SECRET, secret.name, self._namespace, resource_version=secret.version
            )
        except Conflict as error:
            raise SecretConflict(str(error), refuse_api_error(error)) from error

    @translate_api_errors
    async def list_registration_secrets(self) -> list[StoredSecret]:
        """Return the Secrets with the label of registration certificates."""
        return await self._list(REGISTRATION_SELECTOR)

    @translate_api_errors
    async def list_server_requests(self) -> list[StoredSecret]:
        """Return the Secrets with the label of certificates for other servers."""
        return await self._list(SERVER_SELECTOR)

    async def _list(self, selector: str) -> list[StoredSecret]:
        found = await self._client.list(SECRET, self._namespace, label_selector=selector)
        return [stored_secret(secret) for secret in found]

    def subscribe(self, changed: Callable[[str], None]) -> None:
        """Call `changed(name)` when the watch reports a change of a Secret in the namespace."""

        def secret_changed(old: Secret | None, new: Secret | None) -> None:
            secret = new or old
            if secret and namespace_of(secret) == self._namespace:
                changed(name_of(secret))

        self._watched.subscribe(secret_changed)


def stored_secret(secret: Secret) -> StoredSecret:
    """Return a Secret as other parts of the server know it."""
    return StoredSecret(
        name_of(secret),
        _decode(secret.get("data") or {}),
        secret["metadata"]["resourceVersion"],
        labels_of(secret).get(REGISTRATION_LABEL) == "true",
        annotations_of(secret).get(_error_annotation(secret), ""),
        labels_of(secret).get(SERVER_LABEL) == "true",
    )


def _error_annotation(secret: Secret) -> str:
    serves = labels_of(secret).get(SERVER_LABEL) == "true"
    return SERVER_ERROR_ANNOTATION if serves else ERROR_ANNOTATION


def _decode(data: Mapping[str, str]) -> dict[str, bytes]:
    """Return the values. A value that is not base64, as earlier stores allowed, is left out.

    Reading it then fails as a missing key, by name.
    """
    decoded = {}
    for key, value in data.items():
        with contextlib.suppress(TypeError, ValueError):
            decoded[key] = base64.b64decode(value)
    return decoded


def _encode(data: Mapping[str, bytes]) -> dict[str, str]:
    return {key: base64.b64encode(value).decode() for key, value in data.items()}

"""How the device gets its certificate: by the worker's registration and by renewal.

The gateway adds the fingerprint of the pending key to the enrolment and the certificate request to
the registration, and takes the certificate out of the answer. The worker learns the outcome only.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from flotta.gateway.edge_api import EdgeApi
from flotta.gateway.errors import BadAnswer
from flotta.gateway.lane import Answer
from flotta.gateway.pairs import Identity
from flotta.gateway.settings import Settings
from flotta.gateway.store import IdentityStore
from flotta.identity.keys import public_key_fingerprint
from flotta.identity.requests import certificate_request
from flotta.protocol.directives import REGISTRATION
from flotta.protocol.envelope import data_message, encode

log = logging.getLogger(__name__)


class Registration:
    """Everything that concerns the certificate; one exchange at a time."""

    def __init__(
        self,
        settings: Settings,
        store: IdentityStore,
        edge_api: EdgeApi,
        installed: Callable[[Identity], None],
    ) -> None:
        self._settings = settings
        self._store = store
        self._edge_api = edge_api
        self._installed = installed
        self._turn = asyncio.Lock()

    def enrolment(self, content: bytes) -> msgspec.Raw:
        """Return the worker's enrolment with key fingerprint and, if missing, target namespace."""
        key = self._store.pending_key()
        added: dict[str, Any] = {"public_key_fingerprint": public_key_fingerprint(key.public_key())}
        fields = _fields(content)
        if not fields.get("target_namespace"):
            added["target_namespace"] = self._settings.tags.get("namespace") or "default"
        return msgspec.Raw(encode({**fields, **added}))

    async def register(
        self, content: bytes, post: Callable[[msgspec.Raw], Awaitable[Answer]]
    ) -> Answer:
        """Send the worker's registration with a certificate request and install what comes back."""
        async with self._turn:
            answer = await post(self._with_request(_fields(content)))
            return await self._take(answer)

    async def renew(self, identity: Identity) -> Answer:
        """Ask for a certificate for a new key by means of an existing one, expired or not."""
        async with self._turn:
            body = encode(data_message(REGISTRATION, self._with_request({})))
            return await self._take(await self._edge_api.post_as(identity, "data", body))

    def _with_request(self, fields: dict[str, Any]) -> msgspec.Raw:
        key = self._store.pending_key()
        request = certificate_request(key, self._settings.device_id).decode()
        return msgspec.Raw(encode({**fields, "certificate_request": request}))

    async def _take(self, answer: Answer) -> Answer:
        """Install the certificate of a good answer; return the answer without it."""
        if answer.status != 200:
            return answer
        body, certificate = _without_certificate(answer.body)
        identity = await asyncio.to_thread(self._store.install, certificate)
        log.info(
            "Installed a certificate for %s, valid to %s, in %s",
            self._settings.device_id,
            identity.peer.not_after.isoformat(timespec="seconds"),
            identity.cert_path.parent,
        )
        self._installed(identity)
        return Answer(answer.status, answer.headers, body, answer.elapsed)


def _fields(content: bytes) -> dict[str, Any]:
    """Return the members of a JSON object; `null` and nothing are an empty one."""
    if content.strip() in (b"", b"null"):
        return {}
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise ValueError(f"the content is no JSON object: {error}") from error


def _without_certificate(body: bytes) -> tuple[bytes, bytes]:
    try:
        answer = msgspec.json.decode(body, type=dict[str, Any])
        content = dict(answer["content"])
        certificate = content.pop("certificate").encode()
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadAnswer("the answer to the registration contains no certificate") from error
    return encode({**answer, "content": content}), certificate

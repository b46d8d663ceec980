"""How the device gets its certificate: by the worker's registration and by renewal.

The gateway adds the fingerprint of the pending key and the device's labels to the enrolment and the
certificate request to the registration, and takes the certificate out of the response. The worker
gets only the status (docs/reference/wire-protocol.md#from-the-worker-to-the-edge-api).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

import msgspec

from flotta.gateway.edge_api_client import EdgeApiClient
from flotta.gateway.errors import BadResponse
from flotta.gateway.http_client import HttpResponse
from flotta.gateway.identity import Identity
from flotta.gateway.identity_store import IdentityStore
from flotta.gateway.settings import Settings
from flotta.identity.keys import public_key_fingerprint
from flotta.protocol.directives import REGISTRATION
from flotta.protocol.envelope import MessageResponse, encode, new_data_message
from flotta.protocol.json_text import decode_json
from flotta.protocol.models import RegistrationResponse
from flotta.protocol.property_names import with_exact_names

log = logging.getLogger(__name__)


class CertificateRequests:
    """Requests the device's certificate and installs it; one exchange at a time."""

    def __init__(
        self,
        settings: Settings,
        store: IdentityStore,
        edge_api: EdgeApiClient,
        installed: Callable[[Identity], None],
    ) -> None:
        self._settings = settings
        self._store = store
        self._edge_api = edge_api
        self._installed = installed
        self._lock = asyncio.Lock()

    def add_fingerprint(self, content: bytes) -> msgspec.Raw:
        """Return the worker's enrolment with what the gateway knows.

        That is the key's fingerprint, the labels of the device and, if missing, target namespace.
        """
        key = self._store.ensure_pending_key()
        added: dict[str, object] = {
            "public_key_fingerprint": public_key_fingerprint(key.public_key())
        }
        if self._settings.labels:
            added["labels"] = dict(self._settings.labels)
        fields = _parse_object(content)
        if not fields.get("target_namespace"):
            added["target_namespace"] = self._settings.tags.get("namespace") or "default"
        return msgspec.Raw(encode({**fields, **added}))

    async def register(
        self, content: bytes, post: Callable[[msgspec.Raw], Awaitable[HttpResponse]]
    ) -> HttpResponse:
        """Send the worker's registration with a certificate request; install the certificate."""
        async with self._lock:
            response = await post(self._add_certificate_request(_parse_object(content)))
            return await self._install_certificate(response)

    async def renew(self, identity: Identity) -> HttpResponse:
        """Request a certificate for a new key with an existing certificate, expired or not."""
        async with self._lock:
            body = encode(new_data_message(REGISTRATION, self._add_certificate_request({})))
            return await self._install_certificate(
                await self._edge_api.post_as(identity, "data", body)
            )

    def _add_certificate_request(self, fields: Mapping[str, object]) -> msgspec.Raw:
        key = self._store.ensure_pending_key()
        request = key.sign_request(self._settings.device_id).decode()
        return msgspec.Raw(encode({**fields, "certificate_request": request}))

    async def _install_certificate(self, response: HttpResponse) -> HttpResponse:
        """Install the certificate of a 200 response; return the response without it."""
        if response.status != 200:
            return response
        body, certificate, bundle, cross = _split_certificate(response.body)
        identity = await asyncio.to_thread(self._store.install, certificate, bundle, cross)
        log.info(
            "Installed a certificate for %s, valid to %s, in %s",
            self._settings.device_id,
            identity.peer.not_after.isoformat(timespec="seconds"),
            identity.cert_path.parent,
        )
        self._installed(identity)
        return replace(response, body=body)


def _parse_object(content: bytes) -> dict[str, object]:
    """Return the members of a JSON object; `null` and empty bytes are an empty object."""
    if content.strip() in (b"", b"null"):
        return {}
    try:
        return decode_json(content, dict[str, object])
    except msgspec.DecodeError as error:
        raise ValueError(f"the content is not a JSON object: {error}") from error


class _SplitResponse(NamedTuple):
    body: bytes  # for the worker
    certificate: bytes  # PEM
    bundle: bytes  # PEM of CAs, b"" if there are none
    cross: bytes  # PEM of cross certificates for them, b"" if there are none


def _split_certificate(body: bytes) -> _SplitResponse:
    """Return the response without what is for the gateway, and that."""
    try:
        response = _members(body, MessageResponse)
        content = _members(response["content"], RegistrationResponse)
        certificate = decode_json(content.pop("certificate"), str).encode()
        bundle, cross = (_pop_text(content, key) for key in ("ca_bundle", "ca_cross_certificates"))
    except (msgspec.DecodeError, KeyError, ValueError) as error:
        raise BadResponse("the response to the registration contains no certificate") from error
    return _SplitResponse(encode({**response, "content": content}), certificate, bundle, cross)


def _members(data: bytes | msgspec.Raw, model: type) -> dict[str, msgspec.Raw]:
    """Return the members of an object, by their names as the model writes them."""
    return decode_json(with_exact_names(data, model), dict[str, msgspec.Raw])


def _pop_text(content: dict[str, msgspec.Raw], key: str) -> bytes:
    return decode_json(content.pop(key, msgspec.Raw(b'""')), str).encode()

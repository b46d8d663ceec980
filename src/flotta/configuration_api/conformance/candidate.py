"""A device as the store sees it: what an Edge API asks for its sake."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass, field

from flotta.configuration_api.conformance.exchange import Exchange
from flotta.configuration_api.conformance.outcomes import Failed
from flotta.configuration_api.conformance.store_client import StoreClient
from flotta.protocol import configuration_api as api
from flotta.protocol.models import EnrolmentInfo, RegistrationInfo

REGISTRATION = "registration"  # values of `Flotta-Peer`
DEVICE = "device"
FORMER_UID = str(uuid.UUID(int=1))  # of a certificate from before the store lost its data


@dataclass
class Candidate:
    """One device, with a key of its own; `namespace` is where the store says it is.

    `uid` is that in its certificate, empty as long as it has none.
    """

    client: StoreClient
    namespace: str
    device_id: str
    key: str = field(default_factory=lambda: secrets.token_hex(32))
    uid: str = ""
    may_be_on_record: bool = False

    def __str__(self) -> str:
        return f"{self.namespace}/{self.device_id}"

    async def enrol(self, content: object = None) -> Exchange:
        """Ask to join."""
        self.may_be_on_record = True
        info = EnrolmentInfo(target_namespace=self.namespace, public_key_fingerprint=self.key)
        return await self._send("POST", api.ENROLMENT, content or info, self._key_headers(self.key))

    async def ask_status(self, namespace: str = "") -> Exchange:
        """Ask what is on record."""
        path = self.path(api.REGISTRATION, namespace)
        headers = self._headers(DEVICE if self.uid else REGISTRATION)
        return await self.client.send("GET", path, None, headers)

    async def status(self, namespace: str = "") -> api.RegistrationStatus:
        """Return what is on record; a device that the store does not find is unknown."""
        exchange = await self.ask_status(namespace)
        if exchange.status == 404:
            return api.RegistrationStatus(status=api.Status.UNKNOWN.value)
        exchange.require(200, because="every store says what is on record about a device")
        return exchange.read(api.RegistrationStatus, "an object with `status` and `namespace`")

    async def require_status(self, expected: api.Status, after: str) -> api.RegistrationStatus:
        """Return what is on record; raises Failed for another status than the expected one."""
        found = await self.status()
        if found.status != expected.value:
            raise Failed(f"after {after} {self} is `{found.status}`; expected `{expected.value}`")
        return found

    async def require_uid(self, before: str, after: str) -> api.RegistrationStatus:
        """Return what is on record; raises Failed if the uid is another one than `before`."""
        found = await self.status()
        if found.uid != before:
            raise Failed(
                f"the uid was {before!r} and is {found.uid!r} after {after}; expected the same: it "
                "is in the certificate of the device, which would no longer count"
            )
        return found

    async def register(
        self, key: str = "", peer: str = REGISTRATION, content: object = None
    ) -> Exchange:
        """Register, with the device's own key or another one."""
        self.may_be_on_record = True
        headers = self._key_headers(key or self.key, peer)
        return await self._send("PUT", api.REGISTRATION, content or RegistrationInfo(), headers)

    def take_certificate(self, found: api.RegistrationStatus) -> None:
        """Have the certificate that the Edge API signs after a registration."""
        self.namespace = found.namespace or self.namespace
        # As the Edge API does for a store that does not say it.
        self.uid = found.uid or str(uuid.uuid5(uuid.NAMESPACE_URL, str(self)))

    async def beat(self, content: object, message_id: str = "") -> Exchange:
        """Report."""
        headers = self._headers(DEVICE)
        headers[api.MESSAGE_ID_HEADER] = message_id or secrets.token_hex(16)
        return await self._send("PUT", api.HEARTBEAT, content, headers)

    async def ask_configuration(self, known: str = "") -> Exchange:
        """Ask for the configuration; `known` is the entity tag of the one that is known."""
        headers = self._headers(DEVICE) | ({"If-None-Match": known} if known else {})
        return await self._send("GET", api.CONFIGURATION, None, headers)

    async def ask_playbooks(self) -> Exchange:
        """Ask for playbooks, as for an agent of v0.2."""
        return await self._send("GET", api.PLAYBOOK_EXECUTIONS, None, self._headers(DEVICE))

    async def disconnect(self) -> Exchange:
        """Report that the device carried out that it was to go."""
        return await self._send("PUT", api.DISCONNECT, None, self._headers(DEVICE))

    def path(self, suffix: str, namespace: str = "") -> str:
        """Return a path of the device below the base path."""
        return f"namespaces/{namespace or self.namespace}/devices/{self.device_id}/{suffix}"

    async def _send(
        self, method: str, suffix: str, content: object, headers: dict[str, str]
    ) -> Exchange:
        return await self.client.send(method, self.path(suffix), content, headers)

    def _headers(self, peer: str) -> dict[str, str]:
        if peer == REGISTRATION:
            return {api.PEER_HEADER: peer}
        return {api.PEER_HEADER: peer, api.UID_HEADER: self.uid or FORMER_UID}

    def _key_headers(self, key: str, peer: str = REGISTRATION) -> dict[str, str]:
        batch = {api.BATCH_HEADER: "conformance"} if peer == REGISTRATION else {}
        return {**self._headers(peer), api.FINGERPRINT_HEADER: key, **batch}

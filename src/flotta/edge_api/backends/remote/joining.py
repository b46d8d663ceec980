"""How devices join: the batch admits them, the store approves them, the key stays the same.

The rules are in docs/reference/configuration-api.md#joining.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from flotta.edge_api.backends.backend import Membership, RecordedRegistration
from flotta.edge_api.backends.remote import requests
from flotta.edge_api.backends.remote.applicants import Applicants
from flotta.edge_api.backends.remote.client import Budget, DeviceName, StoreClient
from flotta.edge_api.backends.remote.problems import MAX_RETRY_AFTER
from flotta.edge_api.backends.remote.readings import Readings
from flotta.edge_api.backends.remote.registration_rules import (
    is_known,
    judge_membership,
    not_approved,
    other_key,
    require_allowed_namespace,
    require_countable,
    require_may_register,
    require_recorded,
    uid_of,
)
from flotta.edge_api.backends.remote.secret_batches import SecretBatches
from flotta.edge_api.backends.remote.transport import Answer
from flotta.edge_api.backends.remote.unexpected import read_retry_after
from flotta.edge_api.batches import Batch, require_admitted
from flotta.edge_api.refusals import Refusal
from flotta.identity.holder import Peer
from flotta.protocol.configuration_api import KNOWN, RegistrationStatus, Status
from flotta.protocol.models import EnrolmentInfo, RegistrationInfo
from flotta.protocol.reasons.refusals import (
    DEVICE_LEAVING,
    INVALID_MESSAGE,
    TOO_MANY_PENDING_REQUESTS,
    UNKNOWN_DEVICE,
)

RETRY_AFTER = 60  # seconds until a device asks again to join that was one too many
BUDGET = 18.0  # seconds for all calls of one enrolment or registration
FINGERPRINT = re.compile(r"[0-9a-f]{64}")


class _Candidate(NamedTuple):
    """A namespace that a batch allows, and what the store says about the device there."""

    name: DeviceName
    status: RegistrationStatus


class Joining:
    """Enrolments and registrations."""

    def __init__(
        self,
        client: StoreClient,
        readings: Readings,
        batches: SecretBatches,
        applicants: Applicants,
    ) -> None:
        self._client = client
        self._readings = readings
        self._batches = batches
        self._applicants = applicants

    async def enrol(self, peer: Peer, device_id: str, info: EnrolmentInfo) -> bool:
        """Tell the store that a device asks to join; return whether it may register."""
        key = info.public_key_fingerprint
        if key and not FINGERPRINT.fullmatch(key):
            text = "the fingerprint of the key is not a hex SHA-256"
            raise Refusal(400, text, reason=INVALID_MESSAGE)
        batch = await self._batches.admit(peer)
        name = DeviceName(info.target_namespace or batch.namespaces[0], device_id)
        require_admitted(batch, device_id, name.namespace, key)
        require_countable(batch)
        budget = Budget(BUDGET)
        await self._forget_former(name, peer, key, budget)
        applicant = self._applicants.find(name)
        if applicant is not None and applicant.enrolled_key not in ("", key):
            raise other_key("another key asked to join under this id in the last hour")
        call = requests.post_enrolment(name, peer, batch.name, info)
        answer = await self._client.call(call, budget)
        if answer.status == requests.OTHER_KEY_STATUS:
            raise other_key("the data store knows the device by another key")
        if answer.status == requests.TOO_MANY:
            raise _too_many(answer)
        self._applicants.note_enrolment(name, key, is_approved=answer.status == KNOWN)
        return answer.status == KNOWN

    async def _forget_former(self, name: DeviceName, peer: Peer, key: str, budget: Budget) -> None:
        """Forget a key that registered here if the store has no such registration any more."""
        applicant = self._applicants.find(name)
        if applicant is None or applicant.registered_key in ("", key):
            return
        status = await self._readings.ask_status(name, peer, budget)
        if status.status != Status.REGISTERED.value:
            self._applicants.forget(name)

    async def register(
        self, peer: Peer, device_id: str, info: RegistrationInfo, key_fingerprint: str
    ) -> RecordedRegistration:
        """Record a registration in the store; what it says then is in the certificate."""
        budget, batch = Budget(BUDGET), None
        if peer.kind == "device":
            name = DeviceName(peer.namespace, device_id)
            await self._ask_member(name, peer, key_fingerprint, budget)
        else:
            batch = await self._batches.admit(peer)
            name = await self._find(batch, peer, device_id, key_fingerprint, budget)
        batch_name = batch.name if batch else ""
        call = requests.put_registration(name, peer, batch_name, info, key_fingerprint)
        answer = await self._client.call(call, budget)
        if answer.status == 404:
            raise not_approved()
        if answer.status == requests.OTHER_KEY_STATUS:
            raise other_key("the data store does not let this key register")
        self._applicants.note_registration(name, key_fingerprint)
        status = await self._readings.ask_status(name, peer, budget)
        require_recorded(name, status, key_fingerprint)
        if batch is None:
            _require_member(judge_membership(peer, status, key_fingerprint))
        else:
            require_allowed_namespace(batch, status)
        given = DeviceName(status.namespace or name.namespace, name.device_id)
        return RecordedRegistration(given.namespace, uid_of(given, status, peer))

    async def _ask_member(self, name: DeviceName, peer: Peer, new_key: str, budget: Budget) -> None:
        """Refuse a device certificate whose holder does not belong to the fleet now."""
        status = await self._readings.ask_status(name, peer, budget)
        _require_member(judge_membership(peer, status, new_key))

    async def _find(
        self, batch: Batch, peer: Peer, device_id: str, key_fingerprint: str, budget: Budget
    ) -> DeviceName:
        """Return the device that registers with a registration certificate; raises Refusal."""
        require_countable(batch)
        name, status = await self._ask_namespaces(batch, peer, device_id, budget)
        require_admitted(batch, device_id, name.namespace, key_fingerprint)
        require_may_register(batch, status, self._applicants.find(name), key_fingerprint)
        require_allowed_namespace(batch, status)
        return name

    async def _ask_namespaces(
        self, batch: Batch, peer: Peer, device_id: str, budget: Budget
    ) -> _Candidate:
        """Return the first namespace of a batch where the store knows the device, or the first."""
        names = [DeviceName(namespace, device_id) for namespace in batch.namespaces]
        # Where it asked to join through this server is most likely right.
        names.sort(key=lambda name: self._applicants.find(name) is None)
        first = None
        for name in names:
            status = await self._readings.ask_status(name, peer, budget)
            candidate = _Candidate(name, status)
            if is_known(status, self._applicants.find(name)):
                return candidate
            first = first or candidate
        if first is None:  # a batch has a namespace
            raise not_approved()
        return first


def _require_member(membership: Membership) -> None:
    match membership:
        case Membership.ABSENT:
            text = "the device is unknown to the data store of this control plane"
            raise Refusal(404, text, reason=UNKNOWN_DEVICE)
        case Membership.REVOKED:
            text = "the certificate is for an earlier device of this name"
            raise Refusal(403, text, reason=UNKNOWN_DEVICE)
        case Membership.DECOMMISSIONED:
            text = "the device is being removed from the fleet"
            raise Refusal(403, text, reason=DEVICE_LEAVING)
        case _:
            return


def _too_many(answer: Answer) -> Refusal:
    seconds = min(read_retry_after(answer) or RETRY_AFTER, MAX_RETRY_AFTER)
    text = "the data store of this control plane keeps no more requests to join"
    return Refusal(429, text, reason=TOO_MANY_PENDING_REQUESTS, retry_after=seconds)

"""Decides by the rule of a registration batch about a device that enrols.

A rule that names the device approves it. One that approves anybody gives no name that belongs to
another device (docs/reference/control-plane.md#approval-by-rule).
"""

from __future__ import annotations

from flotta.edge_api.backends.crd.listed_ids import ListedIDs
from flotta.edge_api.backends.crd.requests import Enrolment, lists_device
from flotta.edge_api.backends.crd.slots import Use
from flotta.edge_api.backends.crd.uses import Uses
from flotta.fleet.approval_rules import Decision, decide, withhold
from flotta.resources.client import Client
from flotta.resources.kinds import EDGE_DEVICE


class Decisions:
    """Asks the rules of batches; an approval has a use of its batch."""

    def __init__(self, client: Client, uses: Uses, listed: ListedIDs) -> None:
        self._client = client
        self._uses = uses
        self._listed = listed

    async def decide(self, enrolment: Enrolment) -> Decision:
        """Return the decision about a device; raises Refusal 403 when no use is left."""
        applicant, batch = enrolment.applicant, enrolment.batch
        decision = decide(batch.name, batch.specification, applicant)
        if decision.approves and (obstacle := await self._find_obstacle(enrolment)):
            decision = withhold(decision, batch.name, obstacle)
        if not decision.approves:
            self._uses.require_place(batch, applicant.device_id)
            return decision
        key = applicant.key_fingerprint
        use = await self._uses.claim(
            batch,
            applicant.device_id,
            {"namespace": enrolment.namespace, "keyFingerprint": key},
        )
        if use is None or not use.is_held_by_another(key):
            return decision
        if use.key_fingerprint != enrolment.former_key:
            return withhold(decision, batch.name, _describe_use(use))
        await self._uses.hand_over(use, key)
        return decision

    async def _find_obstacle(self, enrolment: Enrolment) -> str:
        """Return why a rule that does not name the id leaves it to a person, "" for no reason."""
        if lists_device(enrolment):
            return ""
        device_id, batch = enrolment.applicant.device_id, enrolment.batch
        if other := self._listed.find_other(device_id, batch.name):
            return (
                f"batch {other} lists the id {device_id}, this one does not; the device it is "
                "meant for enrols with a certificate of that batch"
            )
        if await self._client.get_or_none(EDGE_DEVICE, device_id, enrolment.namespace) is None:
            return ""
        return (
            f"an EdgeDevice of this name exists, and the batch does not list the id {device_id} "
            "in its deviceIDs"
        )


def _describe_use(use: Use) -> str:
    return f"a device with another key has used it under this id, see ConfigMap {use.name}"

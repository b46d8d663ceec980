"""The controller of bucket claims: has our provisioner answer them, and says why one stays unanswered."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Any

from flotta.operator.claims import conditions_of
from flotta.operator.conflicts import reconcile_newest
from flotta.operator.settings import EMBEDDED_CLASS
from flotta.operator.steps import Patch, RecordEvent, Step, execute_steps
from flotta.resources.cache import Cache
from flotta.resources.client import Client, Conflict, NotFound
from flotta.resources.conditions import READY, ConditionState, with_condition
from flotta.resources.kinds import BUCKET_CLAIM
from flotta.resources.views import Key
from flotta.storage.errors import StorageError
from flotta.storage.provisioner import Provisioner, has_bucket_finalizer

Object = dict[str, Any]
NOT_CONFIGURED = (
    "no S3 server is configured for bucket claims; set s3 (S3_DEVICE_ENDPOINT and what belongs to it), "
    "or bucket_storage_class (BUCKET_STORAGE_CLASS) of another provisioner"
)


class Provisioning:
    """Reconciles claims of our storage class; all others are left to whoever answers them."""

    def __init__(self, client: Client, claims: Cache, provisioner: Provisioner | None) -> None:
        self._client = client
        self._claims = claims
        self._provisioner = provisioner

    async def reconcile_claim(self, key: Key) -> float | None:
        """Provide for a claim, or clean up after it; returns the seconds after which to come back."""
        cached = self._claims.get(*key)
        return await reconcile_newest(self._client, BUCKET_CLAIM, key, cached, self._reconcile)

    async def _reconcile(self, claim: Object) -> float | None:
        if self._provisioner is None:
            if has_bucket_finalizer(claim) or _storage_class(claim) == EMBEDDED_CLASS:
                await self._report_failure(claim, NOT_CONFIGURED)
            return None
        try:
            return await self._provisioner.reconcile(claim)
        except StorageError as error:
            await self._report_failure(claim, str(error))
            raise

    async def _report_failure(self, claim: Object, message: str) -> None:
        steps: list[Step] = [
            RecordEvent(BUCKET_CLAIM, claim, "Warning", _failure_reason(claim), message)
        ]
        old, generation = conditions_of(claim), claim["metadata"].get("generation")
        state: ConditionState = ("False", _failure_reason(claim), message)
        conditions = with_condition(old, READY, *state, datetime.now(UTC), generation)
        if conditions != old:
            patch = {"status": {"conditions": conditions}}
            steps.append(Patch(BUCKET_CLAIM, claim, patch, "status"))
        with contextlib.suppress(Conflict, NotFound):  # a changed claim is looked at again anyway
            await execute_steps(self._client, steps)


def _failure_reason(claim: Object) -> str:
    doomed = claim["metadata"].get("deletionTimestamp")
    return "ReleaseFailed" if doomed else "ProvisioningFailed"


def _storage_class(claim: Object) -> str:
    return str((claim.get("spec") or {}).get("storageClassName") or "")

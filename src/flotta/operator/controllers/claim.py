"""ObjectBucketClaim: has our provisioner handle it, and reports why a claim is not bound.

Claims of other storage classes are left to their provisioners. This controller does not plan:
the provisioner talks to S3, and what it does next depends on the response (a bucket that exists,
a key that is known, what is left to delete). Only the report of a failure is planned. Steps and
names: docs/reference/control-plane.md#how-the-operator-provisions-a-claim.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from datetime import datetime

from flotta.fleet.claim_ownership import DEVICE_ANNOTATION, is_claim_of
from flotta.fleet.quarantine import is_quarantined
from flotta.operator.controllers.context import Context, utc_now
from flotta.operator.runtime.kind_controller import KindController, Watch, itself
from flotta.operator.runtime.steps import Plan, RecordEvent, Step, execute_steps, patch_status
from flotta.protocol.reasons.conditions import PROVISIONING_FAILED, RELEASE_FAILED
from flotta.resources.cache import Cache
from flotta.resources.client import Client, Conflict, Forbidden, NotFound
from flotta.resources.conditions import READY, with_condition
from flotta.resources.kinds import BUCKET_CLAIM, EDGE_DEVICE
from flotta.resources.objects.devices import EdgeDevice
from flotta.resources.objects.storage import BucketClaim, BucketClaimStatus
from flotta.resources.views import (
    Key,
    annotations_of,
    conditions_of,
    is_being_deleted,
    name_of,
    namespace_of,
    spec_of,
    status_of,
)
from flotta.settings.operator import EMBEDDED_CLASS
from flotta.storage.errors import StorageError
from flotta.storage.provisioner import Provisioner, has_bucket_finalizer

NOT_CONFIGURED = (
    "no S3 server is configured for bucket claims; "
    "set s3 (S3_DEVICE_ENDPOINT and the related settings), "
    "or bucket_storage_class (BUCKET_STORAGE_CLASS) to the class of another provisioner"
)
NO_PERMISSION = (
    "the operator is refused what it needs for the claim ({message}); "
    "install the control plane again, which restores its permissions"
)


def claim_controller(context: Context) -> KindController[BucketClaim]:
    """Return the controller of ObjectBucketClaims."""
    claims, devices = context.caches.of(BUCKET_CLAIM), context.caches.of(EDGE_DEVICE)

    async def reconcile(claim: BucketClaim) -> float | None:
        quarantined = any(map(is_quarantined, _find_devices(devices, claim)))
        return await reconcile_claim(
            context.client, context.provisioner, claim, quarantined=quarantined
        )

    watches = (Watch(claims, itself), Watch(devices, concerned_by_device))
    return KindController(claims, reconcile, watches, context.settings.workers)


def concerned_by_device(old: EdgeDevice | None, new: EdgeDevice | None) -> Iterable[Key]:
    """Yield the claims of a device that was quarantined or released."""
    device = new or old
    if device is None or is_quarantined(old) == is_quarantined(new):
        return
    recorded = status_of(device).get("dataObc")
    for name in sorted({name_of(device), recorded or name_of(device)}):
        yield namespace_of(device), name


def _find_devices(devices: Cache[EdgeDevice], claim: BucketClaim) -> Iterator[EdgeDevice]:
    """Yield the devices that may use the claim: by its owner, its name, or its annotation."""
    namespace = namespace_of(claim)
    owners = claim["metadata"].get("ownerReferences") or ()
    names = {name_of(claim), *(owner["name"] for owner in owners)}
    if named := annotations_of(claim).get(DEVICE_ANNOTATION):
        names.add(named)
    for name in names:
        device = devices.get(namespace, name)
        if device is not None and is_claim_of(claim, device):
            yield device


async def reconcile_claim(
    client: Client,
    provisioner: Provisioner | None,
    claim: BucketClaim,
    *,
    quarantined: bool = False,
) -> float | None:
    """Provision a claim, or clean up after it; return the seconds after which to come back.

    `quarantined` says that its device is: then its keys are revoked.

    Raises ApiError, and StorageError and Forbidden after reporting them on the claim.
    """
    if provisioner is None:
        if has_bucket_finalizer(claim) or _storage_class(claim) == EMBEDDED_CLASS:
            await _report_failure(client, claim, NOT_CONFIGURED)
        return None
    try:
        return await provisioner.reconcile(claim, quarantined=quarantined)
    except StorageError as error:
        await _report_failure(client, claim, str(error))
        raise
    except Forbidden as error:
        await _report_failure(client, claim, NO_PERMISSION.format(message=error.message))
        raise


def plan_failure(claim: BucketClaim, message: str, now: datetime) -> Plan:
    """Plan an Event and condition Ready that say why the claim is not carried out."""
    reason = RELEASE_FAILED if is_being_deleted(claim) else PROVISIONING_FAILED
    steps: list[Step] = [RecordEvent(BUCKET_CLAIM, claim, "Warning", reason, message)]
    old, generation = conditions_of(claim), claim["metadata"].get("generation")
    conditions = with_condition(old, READY, "False", reason, message, now, generation)
    status: BucketClaimStatus = {**status_of(claim), "conditions": conditions}
    steps += patch_status(BUCKET_CLAIM, claim, status)
    return Plan(tuple(steps))


async def _report_failure(client: Client, claim: BucketClaim, message: str) -> None:
    with contextlib.suppress(Conflict, NotFound):  # a changed claim is reconciled again anyway
        await execute_steps(client, plan_failure(claim, message, utc_now()).steps)


def _storage_class(claim: BucketClaim) -> str:
    return spec_of(claim).get("storageClassName") or ""

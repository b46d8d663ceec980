"""What a quarantined device may hold: access keys of buckets, and Secrets of its workloads. No I/O.

The operator revokes the keys that it issued. It names the others: only an administrator can revoke
them, where they were issued (docs/reference/control-plane.md#quarantine).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flotta.fleet.claim_ownership import is_claim_of
from flotta.fleet.references import pod_references
from flotta.protocol.reasons.conditions import KEYS_REVOKED, KEYS_SHARED
from flotta.resources.conditions import READY, find_condition
from flotta.resources.finalizers import BUCKET_FINALIZER
from flotta.resources.kinds import SECRET
from flotta.resources.objects.device_settings import DeviceSettings
from flotta.resources.objects.devices import EdgeDevice
from flotta.resources.objects.storage import BucketClaim
from flotta.resources.objects.workloads import EdgeWorkload
from flotta.resources.views import conditions_of, finalizers_of, name_of, spec_of


@dataclass(frozen=True)
class HeldKeys:
    """The access keys of a device; `elsewhere` are the Secrets with keys that others issued.

    `claim` is the name of its bucket claim whose keys the operator issues, "" for none.
    """

    claim: str = ""
    is_revoked: bool = False  # those of the claim
    elsewhere: tuple[str, ...] = ()

    @property
    def is_pending(self) -> bool:
        """Whether the operator has keys left to revoke."""
        return bool(self.claim) and not self.is_revoked


def find_keys(
    device: EdgeDevice, settings: Iterable[DeviceSettings], claim: BucketClaim | None
) -> HeldKeys:
    """Return the access keys that a device may hold.

    `settings` are its own and those of its set, `claim` the bucket claim of its name or status.
    """
    elsewhere = [name for spec in settings if (name := _external_secret(spec))]
    if claim is None or not is_claim_of(claim, device):
        return HeldKeys(elsewhere=_distinct(elsewhere))
    name = name_of(claim)
    if BUCKET_FINALIZER not in finalizers_of(claim):
        return HeldKeys(elsewhere=_distinct([name, *elsewhere]))
    condition = find_condition(conditions_of(claim), READY)
    reason = condition["reason"] if condition else ""
    if reason == KEYS_SHARED:
        return HeldKeys(elsewhere=_distinct([name, *elsewhere]))
    return HeldKeys(name, reason == KEYS_REVOKED, _distinct(elsewhere))


def find_secrets(workloads: Iterable[EdgeWorkload]) -> list[str]:
    """Return the names of the Secrets that workloads hand to a device, sorted."""
    return sorted({name for workload in workloads for name in _secrets_of(workload)})


def _secrets_of(workload: EdgeWorkload) -> list[str]:
    spec = spec_of(workload)
    pod = (spec.get("pod") or {}).get("spec") or {}
    registry = ((spec.get("imageRegistries") or {}).get("secretRef") or {}).get("name")
    named = [item.name for item in pod_references(pod) if item.kind is SECRET]
    return [*named, registry] if registry else named


def _external_secret(spec: DeviceSettings) -> str:
    return ((spec.get("storage") or {}).get("s3") or {}).get("secretName") or ""


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))

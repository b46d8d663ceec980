"""What is said about a quarantined device: condition Quarantined, and an Event at each change.

The Edge API refuses the device by itself and the controller of bucket claims revokes its keys; here
they are only described (docs/reference/control-plane.md#quarantine).
"""

from __future__ import annotations

from collections.abc import Iterable

from flotta.fleet.quarantine import describe_pods, describe_quarantine, quarantine_of
from flotta.fleet.quarantined_keys import HeldKeys, find_keys, find_secrets
from flotta.fleet.selection import workloads_for
from flotta.operator.runtime.steps import RecordEvent
from flotta.printable_text import cut
from flotta.protocol.reasons import events
from flotta.protocol.reasons.conditions import FOREIGN_KEYS, REFUSED, RELEASED, REVOKING_KEYS
from flotta.protocol.reasons.reason import Code
from flotta.resources.conditions import QUARANTINED, ConditionState, condition_status
from flotta.resources.kinds import EDGE_DEVICE
from flotta.resources.objects.device_settings import EdgeDeviceSet
from flotta.resources.objects.devices import EdgeDevice
from flotta.resources.objects.storage import BucketClaim
from flotta.resources.objects.workloads import EdgeWorkload
from flotta.resources.views import conditions_of, spec_of

MESSAGE_LIMIT = 4096  # characters; a device may have many Secrets


def judge_quarantine(
    device: EdgeDevice,
    device_set: EdgeDeviceSet | None,
    claim: BucketClaim | None,
    workloads: Iterable[EdgeWorkload],
) -> ConditionState | None:
    """Return condition Quarantined, None for a device that is not quarantined."""
    quarantine = quarantine_of(device)
    if quarantine is None:
        return None
    settings = [spec_of(device)] if device_set is None else [spec_of(device), spec_of(device_set)]
    keys = find_keys(device, settings, claim)
    sentences = [
        describe_quarantine(quarantine),
        "Its certificate is refused, and it gets no configuration.",
        describe_pods(quarantine),
        *_describe_keys(keys),
        *_describe_secrets(find_secrets(workloads_for(device, workloads))),
    ]
    return "True", _reason_of(keys), cut(" ".join(sentences), MESSAGE_LIMIT)


def plan_event(device: EdgeDevice, state: ConditionState | None) -> tuple[RecordEvent, ...]:
    """Return the Event about the beginning or the end of a quarantine, none between the two."""
    before = condition_status(conditions_of(device), QUARANTINED) == "True"
    if state is not None and not before:
        return (RecordEvent(EDGE_DEVICE, device, "Warning", events.QUARANTINED, state[2]),)
    if state is None and before:
        text = "The device is released: its certificate is accepted again"
        return (RecordEvent(EDGE_DEVICE, device, "Normal", RELEASED, text),)
    return ()


def _describe_keys(keys: HeldKeys) -> list[str]:
    """Return a sentence for the keys that the operator revokes, and one for those of others."""
    sentences = []
    if keys.is_pending:
        sentences.append(f"The access keys of ObjectBucketClaim {keys.claim} are being revoked.")
    elif keys.claim:
        sentences.append(f"The access keys of ObjectBucketClaim {keys.claim} are revoked.")
    if keys.elsewhere:
        names = ", ".join(keys.elsewhere)
        sentences.append(
            f"The access key in Secret {names} was not issued by flotta: revoke it at the S3 "
            "server, then write the new one into the Secret."
        )
    return sentences


def _describe_secrets(names: list[str]) -> list[str]:
    if not names:
        return []
    return [
        f"Its workloads gave it the Secrets {', '.join(names)}: replace what is secret in them."
    ]


def _reason_of(keys: HeldKeys) -> Code:
    if keys.is_pending:
        return REVOKING_KEYS
    return FOREIGN_KEYS if keys.elsewhere else REFUSED

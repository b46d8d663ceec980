"""The refusal of a quarantined device, which tells it whether to stop its pods.

The rules are in docs/reference/wire-protocol.md#quarantine.
"""

from __future__ import annotations

from flotta.edge_api.refusals import Refusal
from flotta.fleet.quarantine import quarantine_of
from flotta.protocol.directives import PODS_FIELD
from flotta.protocol.reasons.refusals import DEVICE_QUARANTINED
from flotta.resources.objects.devices import EdgeDevice


def require_released(device: EdgeDevice | None) -> None:
    """Raise Refusal 403 for a device that is quarantined; one that does not exist is not."""
    quarantine = quarantine_of(device)
    if quarantine is None:
        return
    raise Refusal(
        403,
        "the device is quarantined; an administrator can release it",
        reason=DEVICE_QUARANTINED,
        details={PODS_FIELD: quarantine.pods},
        closes=True,
    )

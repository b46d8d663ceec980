"""What the workers are told while the control plane refuses this device, and afterwards.

The gateway learns of a quarantine when its poll for commands is refused, and of its end when one is
accepted. Which pods run is up to the worker, which remembers it
(docs/reference/device.md#quarantine).
"""

from __future__ import annotations

from flotta.gateway.http_client import HttpResponse
from flotta.gateway.status_codes import read_refusal
from flotta.gateway.workers import Workers
from flotta.protocol.directives import PODS_FIELD
from flotta.protocol.grpc import CONNECTION_RESTORED, UNEXPECTED_DISCONNECT, EventNotification
from flotta.protocol.reasons.refusals import DEVICE_QUARANTINED


def announce_refusal(response: HttpResponse, workers: Workers) -> None:
    """Tell the workers that this device is quarantined, if that is why it was refused."""
    refusal = read_refusal(response.body)
    if refusal.reason == DEVICE_QUARANTINED:
        workers.announce(
            EventNotification(
                name=UNEXPECTED_DISCONNECT,
                detail=DEVICE_QUARANTINED,
                metadata={PODS_FIELD: refusal.pods},
            )
        )


def announce_acceptance(workers: Workers) -> None:
    """Tell the workers that this device is not quarantined."""
    workers.announce(EventNotification(name=CONNECTION_RESTORED))

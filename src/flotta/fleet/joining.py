"""How a device joins: where its request is kept, and what request and device say about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flotta.resources.kinds import GROUP

REQUEST_NAMESPACE = "default"  # of every EdgeDeviceSignedRequest
UNREGISTERED_LABEL = "edgedeviceSignedRequest"  # of an EdgeDevice until its first registration
DECLINED_ANNOTATION = f"{GROUP}/declined"
KEY_ANNOTATION = (
    f"{GROUP}/key-fingerprint"  # of the key that enrolled (request) or registered (device)
)


def is_registered(device: Mapping[str, Any]) -> bool:
    """Tell whether the device has finished its first registration."""
    return UNREGISTERED_LABEL not in (device["metadata"].get("labels") or {})


def was_heard(device: Mapping[str, Any]) -> bool:
    """Tell whether a device ever registered or reported under this name.

    A hand-made object has no trace of it.
    """
    status = device.get("status") or {}
    registered = KEY_ANNOTATION in (device["metadata"].get("annotations") or {})
    return registered or any(status.get(key) for key in ("lastSeenTime", "hardware", "phase"))


def is_approved(request: Mapping[str, Any]) -> bool:
    """Tell whether an administrator, or the automatic approval, lets the device in."""
    return bool((request.get("spec") or {}).get("approved"))


def is_declined(request: Mapping[str, Any]) -> bool:
    """Tell whether an administrator keeps the device out; an approval wins."""
    annotations = request["metadata"].get("annotations") or {}
    return not is_approved(request) and annotations.get(DECLINED_ANNOTATION) == "true"

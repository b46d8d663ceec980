"""What a status code of the Edge API means for this device, and what the operator can do."""

from __future__ import annotations

EXPLANATIONS = {
    400: "the Edge API cannot read the message (400): gateway and Edge API versions do not fit",
    401: (
        "the Edge API does not accept this certificate (401): it expired, was revoked, or is for "
        "registration only. A device certificate is renewed now."
    ),
    403: (
        "the Edge API says this certificate is not for device {device} (403). Compare client-id in "
        "config.toml with the certificate; if the EdgeDevice was deleted and created again, remove "
        "the device's own certificate (role flotta.edge.device, device_state=absent, then present)."
    ),
    404: (
        "the Edge API does not know device {device} (404). Nothing is removed from this device for "
        "that. Look at `flotta status` or `kubectl get edgedevices -A`, and at path-prefix."
    ),
    413: "the Edge API finds the message too large (413)",
    429: "the Edge API has too many requests to serve (429)",
}


def explain_status(status: int, device: str) -> str:
    """Return what a status other than success means, for the log."""
    if status in EXPLANATIONS:
        return EXPLANATIONS[status].format(device=device)
    if status >= 500:
        return f"the Edge API has a problem of its own ({status}): see its journal"
    return f"the Edge API answered {status}"

"""What a status code of the Edge API means for this device, and what an administrator can do.

All statuses are in docs/reference/wire-protocol.md#status-codes.
"""

from __future__ import annotations

EXPLANATIONS = {
    400: (
        "the Edge API cannot read the message (400): compare the versions of gateway and Edge API"
    ),
    401: (
        "the Edge API does not accept this certificate (401): it has expired, is not valid yet, or "
        "is for registration only. A device certificate is renewed now."
    ),
    403: (
        "the Edge API does not accept this certificate for device {device} (403). Compare "
        "client-id in config.toml with the certificate. If the EdgeDevice was deleted, or deleted "
        "and created again, run the role flotta.edge.device with device_state=absent, then with "
        "present to join again."
    ),
    404: (
        "the Edge API does not know device {device} (404). Nothing is removed from this device. "
        "Check `flotta status` or `kubectl get edgedevices -A`, and path-prefix in config.toml."
    ),
    413: "the message is too large for the Edge API (413)",
    429: "the Edge API limits the rate of messages (429); trying again later",
}


def explain_status(status: int, device: str) -> str:
    """Return what a status other than success means, for the log."""
    if status in EXPLANATIONS:
        return EXPLANATIONS[status].format(device=device)
    if status >= 500:
        return f"the Edge API cannot handle the message ({status}): see its log"
    return f"the Edge API answered {status}"

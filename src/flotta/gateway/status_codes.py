"""What a status code of the Edge API means for this device, and what an administrator can do.

All statuses are in docs/reference/wire-protocol.md#status-codes.
"""

from __future__ import annotations

import re

import msgspec

from flotta.gateway.http_client import HttpResponse
from flotta.protocol.json_text import decode_json
from flotta.protocol.reasons.device_programs import REQUEST_REFUSED
from flotta.protocol.reasons.reason import Code, with_code
from flotta.protocol.reasons.refusals import (
    CONFIGURATION_WITHHELD,
    DEVICE_LEAVING,
    DEVICE_QUARANTINED,
    UNKNOWN_DEVICE,
)

CODE = re.compile("[A-Z][A-Za-z]{1,63}")  # a reason of a newer Edge API may be unknown here
# By the reason in the body, which servers of v0.2 do not send.
REASONS: dict[str, str] = {
    UNKNOWN_DEVICE: (
        "this control plane does not know device {device} ({status}). Nothing is removed, and its "
        "workloads keep running. If it belongs to the fleet, an administrator takes it back: "
        "flotta adopt {device}"
    ),
    DEVICE_LEAVING: (
        "the EdgeDevice of {device} is being deleted ({status}); until that is decided, the "
        "workloads keep running"
    ),
    DEVICE_QUARANTINED: (
        "device {device} is quarantined ({status}). Nothing is removed. If it is in the right "
        "hands, an administrator lets it in again: flotta device release {device}"
    ),
    CONFIGURATION_WITHHELD: (
        "the control plane withholds the configuration ({status}), so that device {device} keeps "
        "what it runs; flotta explain device {device} says why"
    ),
}
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


def explain_refusal(response: HttpResponse, device: str) -> str:
    """Return what a response other than a success means, with its code, for the log."""
    code, text = _explain(read_refusal(response.body).reason, response.status, device)
    return with_code(text, code)


def describe_refusal(response: HttpResponse, device: str) -> tuple[Code, str]:
    """Return code and sentence of a refusal for people: those of the control plane, if it has any.

    It knows the batch, the key and the namespace, of which a status says nothing.
    """
    body = read_refusal(response.body)
    code, text = _explain(body.reason, response.status, device)
    return code, body.message or text


def _explain(reason: str, status: int, device: str) -> tuple[Code, str]:
    text = REASONS.get(reason)
    if text is not None:
        return Code(reason), text.format(status=status, device=device)
    code = Code(reason) if CODE.fullmatch(reason) else REQUEST_REFUSED
    return code, _explain_status(status, device)


class RefusalBody(msgspec.Struct):
    """What a refusal says (docs/reference/wire-protocol.md#error-body)."""

    reason: str = ""
    message: str = ""  # for people
    pods: str = ""  # of a quarantined device: Stop or Keep


def read_refusal(body: bytes) -> RefusalBody:
    """Return the body of a refusal, an empty one for anything else, such as that of a proxy."""
    try:
        return decode_json(body, RefusalBody)
    except msgspec.DecodeError:
        return RefusalBody()


def _explain_status(status: int, device: str) -> str:
    if status in EXPLANATIONS:
        return EXPLANATIONS[status].format(device=device)
    if status >= 500:
        return f"the Edge API cannot handle the message ({status}): see its log"
    return f"the Edge API answered {status}"

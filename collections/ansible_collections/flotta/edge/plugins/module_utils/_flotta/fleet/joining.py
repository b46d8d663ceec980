# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/fleet/joining.py: change that.
"""How a device joins: where its request is kept, and what request and device say about it.

See docs/reference/control-plane.md#joining.
"""

from __future__ import annotations

import re

from ..protocol.console_code import console_code
from ..resources.kinds import GROUP
from ..resources.objects.devices import EdgeDevice, SignedRequest
from ..resources.views import annotations_of, labels_of, spec_of, status_of

REQUEST_NAMESPACE = "default"  # of every EdgeDeviceSignedRequest
UNREGISTERED_LABEL = "edgedeviceSignedRequest"  # of an EdgeDevice until its first registration
DECLINED_ANNOTATION = f"{GROUP}/declined"
KEY_ANNOTATION = (
    f"{GROUP}/key-fingerprint"  # of the key that enrolled (request) or registered (device)
)
# Of a request: the short code of that key, for people who compare it with the device's console.
CODE_ANNOTATION = f"{GROUP}/console-code"
# Of an EdgeDevice: when another key took the place of the one that had registered (RFC 3339).
KEY_REPLACED_ANNOTATION = f"{GROUP}/key-replaced"
# Of such an EdgeDevice: the key whose certificate asked for that of the present key.
RENEWED_FROM_ANNOTATION = f"{GROUP}/key-renewed-from"
FINGERPRINT = re.compile(r"[0-9a-f]{64}")
# Of a request: hex SHA-256 of the registration certificate that it came with.
CERTIFICATE_ANNOTATION = f"{GROUP}/registration-certificate"


def code_of(request: SignedRequest) -> str:
    """Return the console code of the key that a request is bound to, "" if it names none."""
    key = annotations_of(request).get(KEY_ANNOTATION, "")
    return console_code(key) if FINGERPRINT.fullmatch(key) else ""


def is_registered(device: EdgeDevice) -> bool:
    """Tell whether the device has finished its first registration."""
    return UNREGISTERED_LABEL not in labels_of(device)


def was_heard(device: EdgeDevice) -> bool:
    """Tell whether a device ever registered or reported under this name.

    An object that a user created has no trace of a device.
    """
    status = status_of(device)
    registered = KEY_ANNOTATION in annotations_of(device)
    return registered or any(map(status.get, ("lastSeenTime", "hardware", "phase")))


def has_joined(device: EdgeDevice) -> bool:
    """Tell whether the device has registered, so that its object is bound to a key.

    Hardware alone is none of it: it is written before the key.
    """
    status = status_of(device)
    bound = KEY_ANNOTATION in annotations_of(device)
    return is_registered(device) and (bound or any(map(status.get, ("lastSeenTime", "phase"))))


def is_approved(request: SignedRequest) -> bool:
    """Tell whether an administrator or the automatic approval approved the device."""
    return bool(spec_of(request).get("approved"))


def is_declined(request: SignedRequest) -> bool:
    """Tell whether an administrator declined the device; an approval wins."""
    declined = annotations_of(request).get(DECLINED_ANNOTATION) == "true"
    return declined and not is_approved(request)


def is_decided(request: SignedRequest) -> bool:
    """Tell whether the device was approved or declined."""
    return is_approved(request) or is_declined(request)


def decided_state(request: SignedRequest) -> str:
    """Return how a request is decided: `pending`, `approved` or `declined`."""
    if is_approved(request):
        return "approved"
    return "declined" if is_declined(request) else "pending"

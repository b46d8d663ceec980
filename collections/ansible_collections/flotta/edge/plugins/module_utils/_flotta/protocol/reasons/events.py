# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/protocol/reasons/events.py: change that.
"""Reasons of Events."""

from __future__ import annotations

from ...protocol.reasons.conditions import (
    DECLINED,
    HEARTBEAT_MISSED,
    PROVISIONING_FAILED,
    RELEASE_FAILED,
    RELEASED,
    RUNNING,
    SECRETS_BY_SELF_REPORTED_LABELS,
    WIPE_HELD,
)
from ...protocol.reasons.reason import Event, Rows
from ...protocol.reasons.workloads import FAILED, MISCONFIGURATION

EVENTS = Rows()
EVENTS.add(
    HEARTBEAT_MISSED,
    Event("EdgeDevice", "Warning", "Edge API"),
    "The device stopped sending heartbeats.",
    "Check power and network of the device, then `journalctl -u flotta-gateway` on it.",
)
EVENTS.add(
    MISCONFIGURATION,
    Event("EdgeDevice, EdgeWorkload", "Warning", "Edge API"),
    "A new problem with the configuration.",
    "Create or fix the objects that the message names.",
)
EVENTS.add(
    FAILED,
    Event("EdgeDevice, EdgeWorkload", "Warning", "Edge API"),
    "The workload fails, and its device gives no reason.",
    "Read the message.",
)
EVENTS.add(
    RUNNING,
    Event("EdgeDevice, EdgeWorkload", "Normal", "Edge API"),
    "The workload runs again after a failure. If it has a reason while it runs, such "
    "as `ContainerRestarted`, the Event has that one.",
)
DEVICE = EVENTS.add(
    "Device",
    Event("EdgeDevice", "Normal, Warning", "Edge API, reported by the device"),
    "An event that the device reported without a reason.",
    "Read the message.",
)
EVENTS.add(
    SECRETS_BY_SELF_REPORTED_LABELS,
    Event("EdgeWorkload", "Warning", "operator"),
    "As in condition Accepted, once for each new message.",
    "Also require a label that an administrator sets, or name the device in `spec.device`.",
)
DECOMMISSION_TIMEOUT = EVENTS.add(
    "DecommissionTimeout",
    Event("EdgeDevice", "Warning", "operator"),
    "A deleted device did not acknowledge in time, and the operator removed its "
    "EdgeDevice. The device wipes itself when it returns.",
    "Nothing, or wipe the device by hand ([Remove devices](../how-to/remove-devices.md)).",
)
QUARANTINED = EVENTS.add(
    "Quarantined",
    Event("EdgeDevice", "Warning", "operator"),
    "The device is [quarantined](control-plane.md#quarantine); the message is that of the "
    "condition.",
    "Do what the message says. To let the device in again: `flotta device release NAME`.",
)
EVENTS.add(
    RELEASED,
    Event("EdgeDevice", "Normal", "operator"),
    "The quarantine has ended.",
)
EVENTS.add(
    WIPE_HELD,
    Event("EdgeDevice", "Warning", "operator"),
    "As in the condition.",
    "To wipe the device: `flotta decommission NAME`. To keep it: [Take back what was "
    "deleted by "
    "mistake](../how-to/remove-devices.md#take-back-what-was-deleted-by-mistake).",
)
CLAIM_REMAINS = EVENTS.add(
    "ClaimRemains",
    Event("EdgeDevice", "Warning", "operator"),
    "A deleted device waits for its bucket claim, which has not been removed for three minutes.",
    "Look at the Events of the claim.",
)
APPROVED = EVENTS.add(
    "Approved",
    Event("EdgeDeviceSignedRequest", "Normal", "operator"),
    "The device may join. The message says who or which rule decided, and on which evidence, as "
    "`status.decision` does.",
)
EVENTS.add(
    DECLINED,
    Event("EdgeDeviceSignedRequest", "Normal", "operator"),
    "An administrator declined the device; the message says who.",
    "`flotta approve NAME` reverses this.",
)
KEY_NOT_BOUND = EVENTS.add(
    "KeyNotBound",
    Event("EdgeDeviceSignedRequest", "Warning", "Edge API"),
    "The device enrolled without the fingerprint of its key, which its [registration "
    "batch](control-plane.md#registration-batches) allows: the first key that enrols or registers "
    "under this id gets the certificate.",
    "Approve it only if you know that the device is joining now.",
)
LABELS_NOT_ALLOWED = EVENTS.add(
    "LabelsNotAllowed",
    Event("EdgeDeviceSignedRequest", "Normal", "Edge API"),
    "The device brings labels along that its [registration "
    "batch](control-plane.md#labels-that-devices-bring-along) does not let it have; the message "
    "names their keys and the causes. It joins without them.",
    "Add the keys to `deviceLabels` of the batch, or correct the labels on the medium, and delete "
    "the request; or give the labels yourself.",
)
KEY_REPLACED = EVENTS.add(
    "KeyReplaced",
    Event("EdgeDevice", "Normal", "Edge API"),
    "The device joined again with another key, which its [registration "
    "batch](control-plane.md#devices-that-keep-no-key) allows. The message has the console codes "
    "of both keys. Certificates of the former key are refused; Secrets and access keys that its "
    "device got stay valid.",
    "Nothing, if the device keeps nothing when it is switched off. Otherwise two devices use one "
    "id, or somebody has its medium: `flotta device quarantine NAME`, and change its Secrets.",
)
EXPIRED = EVENTS.add(
    "Expired",
    Event("EdgeDeviceSignedRequest", "Normal", "operator"),
    "A request was not approved in time, or its device did not register in time after the "
    "approval, and was deleted. The device requests to join again.",
    "Approve the next request, or allow more time ([Settings](settings.md)).",
)
EVENTS.add(
    PROVISIONING_FAILED,
    Event("ObjectBucketClaim", "Warning", "operator"),
    "As in the condition.",
    "See [what can go wrong](../how-to/provide-storage.md#what-can-go-wrong). The "
    "operator retries.",
)
EVENTS.add(
    RELEASE_FAILED,
    Event("ObjectBucketClaim", "Warning", "operator"),
    "As in the condition.",
    "Make the S3 server reachable again; for a bucket that is kept, decide with the "
    "command in the message.",
)
SHARED_KEYS = EVENTS.add(
    "SharedKeys",
    Event("ObjectBucketClaim", "Warning", "operator"),
    "The device uses the administrator's own access key for its bucket, so the device"
    " can read and change every bucket.",
    "Configure the IAM endpoint of the S3 server ([Access keys of "
    "devices](../how-to/provide-storage.md#access-keys-of-devices)).",
)

SECTIONS = (EVENTS,)

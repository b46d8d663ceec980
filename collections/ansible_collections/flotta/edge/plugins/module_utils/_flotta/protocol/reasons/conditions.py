# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/protocol/reasons/conditions.py: change that.
"""Reasons of conditions, by kind."""

from __future__ import annotations

from ...protocol.reasons.reason import Condition, Rows
from ...protocol.reasons.refusals import CONFIGURATION_WITHHELD
from ...protocol.reasons.workloads import FAILED, MISCONFIGURATION, UNSUPPORTED_FIELD

DEVICES = Rows()
HEARTBEAT_RECEIVED = DEVICES.add(
    "HeartbeatReceived",
    Condition("EdgeDevice", "Ready", "True"),
    "The device sends heartbeats.",
)
DEGRADED = DEVICES.add(
    "Degraded",
    Condition("EdgeDevice", "Ready", "False"),
    "The device sends heartbeats and reports itself degraded: it could not keep its "
    "configuration on disk.",
    "Check the disk of the device and the journal of `flotta-device-worker`.",
)
HEARTBEAT_MISSED = DEVICES.add(
    "HeartbeatMissed",
    Condition("EdgeDevice", "Ready", "Unknown"),
    "No heartbeat arrived in time: five minutes with the default period of 60 seconds"
    " ([Presence](control-plane.md#presence)).",
    "Check power and network of the device, then `journalctl -u flotta-gateway` on it.",
)
DEVICES.add(
    MISCONFIGURATION,
    Condition("EdgeDevice", "Configured", "False"),
    "Something that the device or one of its workloads refers to does not exist or "
    "cannot be used. The message has a line for each problem ([Broken "
    "references](control-plane.md#broken-references)).",
    "Create or fix the objects that the message names.",
)
COMPLETE = DEVICES.add(
    "Complete",
    Condition("EdgeDevice", "Configured", "True"),
    "All problems are solved. A device that never had a problem does not have this condition.",
)
VALID = DEVICES.add(
    "Valid",
    Condition("EdgeDevice", "Accepted", "True"),
    "The device's own settings are in effect.",
)
IN_SET = DEVICES.add(
    "InSet",
    Condition("EdgeDevice", "Accepted", "True"),
    "The settings of the EdgeDeviceSet are in effect, not the device's own.",
)
SET_MISSING = DEVICES.add(
    "SetMissing",
    Condition("EdgeDevice", "Accepted", "False"),
    "The label `flotta/member-of` names a set that does not exist; the device's own "
    "settings are in effect.",
    "Create the EdgeDeviceSet or remove the label.",
)
STORAGE_CONTRADICTION = DEVICES.add(
    "StorageContradiction",
    Condition("EdgeDevice", "Accepted", "False"),
    "`storage.s3` has `createOBC` as well as `secretName` or `configMapName`, so no "
    "bucket claim is created. A claim that the device has already is used all the "
    "same (`ExternalIgnored`).",
    "Remove one of them.",
)
CLAIM_BOUND = DEVICES.add(
    "ClaimBound",
    Condition("EdgeDevice", "StorageReady", "True"),
    "The device has its bucket.",
)
EXTERNAL_IGNORED = DEVICES.add(
    "ExternalIgnored",
    Condition("EdgeDevice", "StorageReady", "True"),
    "The device has the bucket of its claim, and `storage.s3` in effect names an "
    "external bucket, which is ignored as long as the claim exists.",
    "Remove the names, or [switch to the external bucket](control-plane.md#bucket-claims).",
)
CLAIM_FOREIGN = DEVICES.add(
    "ClaimForeign",
    Condition("EdgeDevice", "StorageReady", "False"),
    "A bucket claim has the name of the device, but was not made for this EdgeDevice."
    " The device gets no keys from it, and the claim stays when the device is "
    "deleted.",
    "If the device is to use that bucket, run the command in the message ([Whose "
    "claim it is](control-plane.md#whose-claim-it-is)). Else give the device another "
    "name, or name an external bucket.",
)
CLAIM_PENDING = DEVICES.add(
    "ClaimPending",
    Condition("EdgeDevice", "StorageReady", "False"),
    "No provisioner has fulfilled the device's bucket claim within 10 seconds.",
    "Check that a provisioner serves the storage class in the message.",
)
PROVISIONING_FAILED = DEVICES.add(
    "ProvisioningFailed",
    Condition("EdgeDevice", "StorageReady", "False"),
    "The condition Ready of the bucket claim, copied.",
    "Do what the message says; see [what can go "
    "wrong](../how-to/provide-storage.md#what-can-go-wrong).",
)
STORED_VIOLATION = DEVICES.add(
    "StoredViolation",
    Condition("EdgeDevice", "Updatable", "False"),
    "Only on Kubernetes before 1.30: the object stores something that its schema "
    "refuses by now, so the API refuses every change of it, also by the operator. The"
    " message names the fields.",
    "Correct these fields, or upgrade Kubernetes. The condition goes with the next "
    "accepted change.",
)
ACKNOWLEDGED = DEVICES.add(
    "Acknowledged",
    Condition("EdgeDevice", "Disconnected", "True"),
    "The device has removed its workloads and acknowledged that it is decommissioned.",
)
REFUSED = DEVICES.add(
    "Refused",
    Condition("EdgeDevice", "Quarantined", "True"),
    "The device is [quarantined](control-plane.md#quarantine), and every key of a bucket that it "
    "has is revoked. The message says by whom, when and why, and which Secrets its workloads gave "
    "it.",
    "Replace what is secret in them. To let the device in again: `flotta device release NAME`.",
)
REVOKING_KEYS = DEVICES.add(
    "RevokingKeys",
    Condition("EdgeDevice", "Quarantined", "True"),
    "The device is quarantined, and the operator has not revoked the access keys of its bucket "
    "claim yet.",
    "Wait; if it lasts, the condition Ready and the Events of the claim say why.",
)
FOREIGN_KEYS = DEVICES.add(
    "ForeignKeys",
    Condition("EdgeDevice", "Quarantined", "True"),
    "The device is quarantined, and has an access key that flotta did not issue; the message names "
    "its Secret.",
    "Revoke the key at the S3 server, then write the new one into the Secret ([Quarantine a "
    "device](../how-to/quarantine-a-device.md#revoke-what-flotta-cannot-revoke)).",
)
WIPE_HELD = DEVICES.add(
    "WipeHeld",
    Condition("EdgeDevice", "WipeAllowed", "False"),
    "More EdgeDevices were deleted within an hour than [the "
    "brake](control-plane.md#the-brake-on-wipes) allows. The device keeps running "
    "until an administrator's word.",
    "To wipe the device: `flotta decommission NAME`. To wipe all of them: `flotta "
    "decommission --held`. To keep it: [Take back what was deleted by "
    "mistake](../how-to/remove-devices.md#take-back-what-was-deleted-by-mistake).",
)
DEVICES.add(
    CONFIGURATION_WITHHELD,
    Condition("EdgeDevice", "ConfigurationReleased", "False"),
    "The device was adopted or joined again, its control plane was restored, or EdgeWorkloads "
    "were [defined again](control-plane.md#objects-that-go-with-their-namespace), and the "
    "configuration that it would get does not contain a workload that it runs, or cannot deliver "
    "it now, so it gets none. The message names the workloads.",
    "Create the EdgeWorkloads that are missing, give the EdgeDevice the labels that select them, "
    "or mend what the condition `Configured` names. If the device is to remove the "
    "workloads with their files, remove the annotation "
    "`management.project-flotta.io/configuration-withheld`.",
)
RELEASED = DEVICES.add(
    "Released",
    Condition("EdgeDevice", "ConfigurationReleased", "True"),
    "The configuration of an adopted device keeps what the device runs, and the device gets it.",
)

DEVICE_SETS = Rows()
DEVICE_SETS.add(
    VALID,
    Condition("EdgeDeviceSet", "Accepted", "True"),
    "The settings are in effect on all members.",
)
DEVICE_SETS.add(
    STORAGE_CONTRADICTION,
    Condition("EdgeDeviceSet", "Accepted", "False"),
    "`storage.s3` of the set has `createOBC` as well as `secretName` or `configMapName`.",
    "Remove one of them.",
)
DEVICE_SETS.add(
    STORED_VIOLATION,
    Condition("EdgeDeviceSet", "Updatable", "False"),
    "Only on Kubernetes before 1.30: the object stores something that its schema "
    "refuses by now, so the API refuses every change of it, also by the operator. The"
    " message names the fields.",
    "Correct these fields, or upgrade Kubernetes. The condition goes with the next "
    "accepted change.",
)

WORKLOADS = Rows()
WORKLOADS.add(
    VALID,
    Condition("EdgeWorkload", "Accepted", "True"),
    "The selector is valid.",
)
NO_LABEL = WORKLOADS.add(
    "NoLabel",
    Condition("EdgeWorkload", "Accepted", "True"),
    "The name has more than 63 characters, so devices do not get the label "
    "`workload/NAME`. The workload runs anyway.",
    "Nothing, unless you select devices by this label.",
)
SECRETS_BY_SELF_REPORTED_LABELS = WORKLOADS.add(
    "SecretsBySelfReportedLabels",
    Condition("EdgeWorkload", "Accepted", "True"),
    "A warning: the workload gives Secrets to its devices, and its selector requires "
    "only labels that devices report about themselves, so a device gets them by "
    "reporting these values. The workload runs anyway.",
    "Also require a label that an administrator sets, or name the device in "
    "`spec.device` ([Labels that devices "
    "report](../explanation/security.md#labels-that-devices-report)).",
)
SELECTOR_UNUSABLE = WORKLOADS.add(
    "SelectorUnusable",
    Condition("EdgeWorkload", "Accepted", "False"),
    "The selector cannot select any device; the message names the field.",
    "Fix `spec.device` or `spec.deviceSelector`.",
)
WORKLOADS.add(
    UNSUPPORTED_FIELD,
    Condition("EdgeWorkload", "Accepted", "False"),
    "The pod has a field that no device carries out, which an earlier release stored, or fields "
    "that do not work [together](pod-fields.md#refused-fields); the message has the path. Devices "
    "keep the pod that they run.",
    "Do what the message says. [Fields of a pod](pod-fields.md) has all fields.",
)
RUNNING = WORKLOADS.add(
    "Running",
    Condition("EdgeWorkload", "Ready", "True"),
    "It runs on all selected devices.",
)
PROGRESSING = WORKLOADS.add(
    "Progressing",
    Condition("EdgeWorkload", "Ready", "False"),
    "It does not run on all selected devices yet.",
    "Wait, or look at a device that is behind: `flotta explain workload NAME`.",
)
WORKLOADS.add(
    FAILED,
    Condition("EdgeWorkload", "Ready", "False"),
    "It fails on at least one device, where an older pod may run on; the message quotes the first.",
    "See the [reason on that device](#reasons-of-a-workload-on-a-device).",
)
DEVICES_SILENT = WORKLOADS.add(
    "DevicesSilent",
    Condition("EdgeWorkload", "Ready", "Unknown"),
    "It runs on every device that reports; the others are offline.",
    "Look at the devices that are `offline`.",
)
WORKLOADS.add(
    STORED_VIOLATION,
    Condition("EdgeWorkload", "Updatable", "False"),
    "Only on Kubernetes before 1.30: the object stores something that its schema "
    "refuses by now, so the API refuses every change of it, also by the operator. The"
    " message names the fields.",
    "Correct these fields, or upgrade Kubernetes. The condition goes with the next "
    "accepted change.",
)
NO_DEVICE = WORKLOADS.add(
    "NoDevice",
    Condition("EdgeWorkload", "Ready", "False"),
    "No device is selected.",
    "Compare selector and labels: `flotta explain workload NAME`.",
)

BUCKET_CLAIMS = Rows()
BUCKET_CLAIMS.add(
    PROVISIONING_FAILED,
    Condition("ObjectBucketClaim", "Ready", "False"),
    "The bucket or its access key cannot be created, or no S3 server is configured. "
    "The message says why.",
    "See [what can go wrong](../how-to/provide-storage.md#what-can-go-wrong) and [how"
    " the operator provisions a "
    "claim](control-plane.md#how-the-operator-provisions-a-claim). The operator "
    "retries.",
)
KEYS_REVOKED = BUCKET_CLAIMS.add(
    "KeysRevoked",
    Condition("ObjectBucketClaim", "Ready", "False"),
    "The device of the claim is [quarantined](control-plane.md#quarantine), so its access keys are "
    "revoked.",
    "`flotta device release NAME` issues a new one.",
)
KEYS_SHARED = BUCKET_CLAIMS.add(
    "KeysShared",
    Condition("ObjectBucketClaim", "Ready", "False"),
    "The device of the claim is quarantined, but uses the administrator's own access key, which "
    "stays valid.",
    "Give the operator a new key and revoke the old one ([Access keys of "
    "devices](../how-to/provide-storage.md#access-keys-of-devices)).",
)
RELEASE_FAILED = BUCKET_CLAIMS.add(
    "ReleaseFailed",
    Condition("ObjectBucketClaim", "Ready", "False"),
    "The claim is being deleted, and its bucket or key cannot be removed, or the "
    "bucket is kept because its EdgeDevice disappeared without being decommissioned. "
    "The message says which.",
    "Make the S3 server reachable again; the operator retries. For a bucket that is "
    "kept, decide with the command in the message ([A claim without its "
    "device](control-plane.md#a-claim-without-its-device)).",
)

REQUESTS = Rows()
WAITING_FOR_APPROVAL = REQUESTS.add(
    "WaitingForApproval",
    Condition("EdgeDeviceSignedRequest", "pending", "True"),
    "The request waits for the approval of an administrator.",
    "`flotta approve NAME` or `flotta decline NAME`.",
)
APPROVAL_WITHHELD = REQUESTS.add(
    "ApprovalWithheld",
    Condition("EdgeDeviceSignedRequest", "pending", "True"),
    "The registration batch of the device approves by rule, and the rule does not hold for this "
    "device; the message says why. The request waits for the approval of an administrator.",
    "`flotta approve NAME` or `flotta decline NAME`, or correct the batch: the next enrolment of "
    "the device is judged again.",
)
CREATION_REFUSED = REQUESTS.add(
    "CreationRefused",
    Condition("EdgeDeviceSignedRequest", "pending", "True"),
    "The request is approved, and the resource API refused to create the EdgeDevice.",
    "Do what the message says, such as creating the namespace.",
)
DEVICE_CREATED = REQUESTS.add(
    "DeviceCreated",
    Condition("EdgeDeviceSignedRequest", "approved", "True"),
    "The request is approved, and the EdgeDevice was created.",
)
DECLINED = REQUESTS.add(
    "Declined",
    Condition("EdgeDeviceSignedRequest", "declined", "True"),
    "An administrator declined the device.",
    "`flotta approve NAME` reverses this.",
)

SECTIONS = (
    REQUESTS,
    DEVICES,
    DEVICE_SETS,
    WORKLOADS,
    BUCKET_CLAIMS,
)

# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/protocol/reasons/refusals.py: change that.
"""Reasons with which the Edge API refuses a request."""

from __future__ import annotations

from ...protocol.reasons.reason import Refusal, Rows
from ...protocol.reasons.workloads import INTERNAL_ERROR, STARTING

REFUSALS = Rows()
MALFORMED_REQUEST = REFUSALS.add(
    "MalformedRequest",
    Refusal("400"),
    "The request is not HTTP/1.1, or its headers are too long or too many.",
    "Use a gateway of this project or of Project Flotta; look for a proxy on the way "
    "that changes requests.",
)
INVALID_MESSAGE = REFUSALS.add(
    "InvalidMessage",
    Refusal("400, 422"),
    "The body is not a message, or its content does not fit the directive.",
    "Compare the versions of control plane and device ([Upgrade](../how-to/upgrade.md)).",
)
INVALID_DEVICE_ID = REFUSALS.add(
    "InvalidDeviceId",
    Refusal("400"),
    "The device id in the path is reserved (`register`, `flotta-edge-api`) or not a lower-case DNS "
    "name of at most 64 characters.",
    "Correct `client-id` in `/etc/yggdrasil/config.toml`.",
)
UNKNOWN_DIRECTIVE = REFUSALS.add(
    "UnknownDirective",
    Refusal("400"),
    "The directive is not one of [those that exist](wire-protocol.md#post-dataout).",
    "Compare the versions of control plane and device ([Upgrade](../how-to/upgrade.md)).",
)
INVALID_CERTIFICATE_REQUEST = REFUSALS.add(
    "InvalidCertificateRequest",
    Refusal("400"),
    "The certificate request is missing, unreadable, not signed by its own key, or "
    "its key is too weak.",
    "Read the journal of `flotta-gateway`, and compare the versions of control plane and device.",
)
CERTIFICATE_NOT_ACCEPTED = REFUSALS.add(
    "CertificateNotAccepted",
    Refusal("401"),
    "The client certificate does not belong to any [class](wire-protocol.md#certificate-classes), "
    "or its CA was taken out since the connection was made.",
    "Run the role `flotta.edge.device` again: it installs the registration "
    "certificate of this fleet. For a device that runs from an image, write a new stick.",
)
CERTIFICATE_EXPIRED = REFUSALS.add(
    "CertificateExpired",
    Refusal("401"),
    "The client certificate has expired.",
    "Nothing for a device certificate: the gateway renews it. For a registration "
    "certificate, run the role `flotta.edge.device` again, or write a new stick.",
)
CERTIFICATE_NOT_YET_VALID = REFUSALS.add(
    "CertificateNotYetValid",
    Refusal("401"),
    "The client certificate is not valid yet.",
    "Check the clock of the control plane ([that of the device](device.md#time) does "
    "not count here).",
)
REGISTRATION_ONLY = REFUSALS.add(
    "RegistrationOnly",
    Refusal("401, 403"),
    "A registration certificate is used for something other than enrolment and registration.",
    "Wait until the device has registered. If it does not, read the journal of `flotta-gateway`.",
)
OTHER_DEVICE = REFUSALS.add(
    "OtherDevice",
    Refusal("403"),
    "The certificate belongs to another device.",
    "Compare `client-id` in `/etc/yggdrasil/config.toml` with the certificate.",
)
NAMESPACE_NOT_ALLOWED = REFUSALS.add(
    "NamespaceNotAllowed",
    Refusal("403"),
    "The registration certificate does not allow the namespace.",
    "Use a registration certificate that allows the namespace of the device, or "
    "change the namespace.",
)
REGISTRATION_REVOKED = REFUSALS.add(
    "RegistrationRevoked",
    Refusal("403"),
    "The registration certificate belongs to no [registration "
    "batch](control-plane.md#registration-batches), or its batch was revoked. Or the batch whose "
    "rule approved the device was.",
    "Issue a new registration certificate, and install it on the device (role "
    "`flotta.edge.device`, or a new stick). If the device was approved, delete its "
    "EdgeDeviceSignedRequest; it then enrols again.",
)
REGISTRATION_BATCH_INVALID = REFUSALS.add(
    "RegistrationBatchInvalid",
    Refusal("403"),
    "The specification of the [registration batch](control-plane.md#registration-batches) is "
    "invalid. The annotation `management.project-flotta.io/batch-error` of its Secret names the "
    "field.",
    "Correct `batch` in the Secret.",
)
REGISTRATION_BATCH_EXHAUSTED = REFUSALS.add(
    "RegistrationBatchExhausted",
    Refusal("403"),
    "Other devices have all uses of the registration batch.",
    "Issue another batch, raise `uses` of this one, or delete the ConfigMap of a use.",
)
DEVICE_ID_NOT_ALLOWED = REFUSALS.add(
    "DeviceIDNotAllowed",
    Refusal("403"),
    "The registration batch does not admit this device id.",
    "Add the id to `deviceIDs` of the batch, or correct `client-id` in "
    "`/etc/yggdrasil/config.toml`.",
)
KEY_FINGERPRINT_MISSING = REFUSALS.add(
    "KeyFingerprintMissing",
    Refusal("403"),
    "The device enrols without the fingerprint of its key (`public_key_fingerprint`), as agents of "
    "v0.2 do, and the registration batch does not allow that. Or it registers without having "
    "enrolled, by a request that names no key.",
    "Use a gateway of this project. For agents of v0.2, set `allowWithoutFingerprint` of the "
    "batch.",
)
DEVICE_LEAVING = REFUSALS.add(
    "DeviceLeaving",
    Refusal("403"),
    "The EdgeDevice is being deleted.",
    "Wait: `flotta explain device NAME` says what the deletion waits for.",
)
DEVICE_QUARANTINED = REFUSALS.add(
    "DeviceQuarantined",
    Refusal("403"),
    "The device is [quarantined](control-plane.md#quarantine). It keeps everything that it has.",
    "To let it in again: `flotta device release NAME`.",
)
DEVICE_DECOMMISSIONED = REFUSALS.add(
    "DeviceDecommissioned",
    Refusal("403"),
    "The device was [decommissioned](control-plane.md#decommissioning): the command "
    "`disconnect` waits for it.",
    "Nothing: the device removes its workloads. To use it again, run the role "
    "`flotta.edge.device` with `device_state: absent`, then with `present`.",
)
ALREADY_REGISTERED = REFUSALS.add(
    "AlreadyRegistered",
    Refusal("403"),
    "The device has registered with another key.",
    "If the device was reinstalled, delete its EdgeDevice; it then enrols again. "
    "Otherwise two devices use one id: correct `client-id` of one.",
)
OTHER_KEY = REFUSALS.add(
    "OtherKey",
    Refusal("403"),
    "The key is not the one that enrolled, or the request names no key and is not for whoever "
    "comes first; or the certificate is from before another key [took its "
    "place](control-plane.md#devices-that-keep-no-key).",
    "If the device was reinstalled, delete its EdgeDeviceSignedRequest, or its "
    "EdgeDevice if it has one; it then enrols again. For devices that keep no key when they are "
    "switched off, set `allowKeyReplacement` of their batch. Otherwise two devices use one "
    "id: correct `client-id` of one.",
)
REGISTRATION_BATCH_UNSUPPORTED = REFUSALS.add(
    "RegistrationBatchUnsupported",
    Refusal("403"),
    "The registration batch limits its uses, which nobody counts with a [remote data "
    "store](configuration-api.md#registration-batches).",
    "List the ids of its devices in `deviceIDs`, without patterns and not more than `uses`, or "
    "leave out `uses`.",
)
UNKNOWN_PATH = REFUSALS.add(
    "UnknownPath",
    Refusal("404"),
    "The path does not exist.",
    "Check `path-prefix` in `/etc/yggdrasil/config.toml`.",
)
UNKNOWN_DEVICE = REFUSALS.add(
    "UnknownDevice",
    Refusal("404, 403"),
    "No EdgeDevice of this name exists (404), or it is another one than that of the "
    "certificate (403). The device keeps running.",
    "To take it back: `flotta adopt NAME`. A device that joined the wrong control "
    "plane: correct `server` in `/etc/yggdrasil/config.toml`.",
)
NOT_ENROLLED = REFUSALS.add(
    "NotEnrolled",
    Refusal("404"),
    "There is no EdgeDeviceSignedRequest of this device.",
    "Wait: the device enrols again. If it does not, read the journal of `flotta-gateway`.",
)
NOT_APPROVED = REFUSALS.add(
    "NotApproved",
    Refusal("404"),
    "The device is not approved yet.",
    "`flotta approve NAME`.",
)
METHOD_NOT_ALLOWED = REFUSALS.add(
    "MethodNotAllowed",
    Refusal("405"),
    "The path exists, but not for this method.",
    "Use a gateway of this project or of Project Flotta.",
)
NOT_ACCEPTABLE = REFUSALS.add(
    "NotAcceptable",
    Refusal("406"),
    "The client does not accept JSON.",
    "Use a gateway of this project or of Project Flotta.",
)
BODY_TIMEOUT = REFUSALS.add(
    "BodyTimeout",
    Refusal("408"),
    "The body did not arrive within 30 seconds and one more for each 512 bytes of it.",
    "Check the network connection of the device.",
)
BODY_TOO_LARGE = REFUSALS.add(
    "BodyTooLarge",
    Refusal("413"),
    "The body is larger than 256 KiB.",
    "Find out what makes the message so large, such as very many workloads or interfaces.",
)
UNSUPPORTED_ENCODING = REFUSALS.add(
    "UnsupportedEncoding",
    Refusal("415"),
    "The body is compressed or coded.",
    "Use a gateway of this project or of Project Flotta; switch off what compresses "
    "requests on the way.",
)
UNSUPPORTED_MEDIA_TYPE = REFUSALS.add(
    "UnsupportedMediaType",
    Refusal("415"),
    "The body is not `application/json`.",
    "Use a gateway of this project or of Project Flotta.",
)
UNSUPPORTED_EXPECTATION = REFUSALS.add(
    "UnsupportedExpectation",
    Refusal("417"),
    "`Expect` is not `100-continue`.",
    "Use a gateway of this project or of Project Flotta.",
)
CONFIGURATION_WITHHELD = REFUSALS.add(
    "ConfigurationWithheld",
    Refusal("503"),
    "The device was [adopted](control-plane.md#adoption) and would remove what it "
    "runs, its namespace or a CustomResourceDefinition is being deleted or [was created "
    "again](control-plane.md#objects-that-go-with-their-namespace), its registration or "
    "adoption has not reached this Edge API yet, or it has an agent of v0.2 and runs a workload "
    "with a [broken reference](control-plane.md#broken-references). The device keeps what it has.",
    "`flotta explain device NAME` names the workloads. Give the EdgeDevice the labels"
    " that select them.",
)
TOO_MANY_REQUESTS = REFUSALS.add(
    "TooManyRequests",
    Refusal("429"),
    "One certificate sends more than 10 requests or 64 KiB a second, or renews too often, or one "
    "id gets [other keys](control-plane.md#devices-that-keep-no-key) too often.",
    "Nothing: devices wait as long as `Retry-After` says.",
)
TOO_MANY_ENROLMENTS = REFUSALS.add(
    "TooManyEnrolments",
    Refusal("429"),
    "Too many devices enrol at once.",
    "Nothing: devices wait. If a whole fleet joins, raise `ENROLMENTS_PER_SECOND` "
    "([Settings](settings.md)).",
)
TOO_MANY_PENDING_REQUESTS = REFUSALS.add(
    "TooManyPendingRequests",
    Refusal("429"),
    "Too many devices of this registration batch, or for this namespace, have requested to join "
    "and not registered yet. The Edge API warns about it once a minute.",
    "Approve or delete requests that wait, or allow more of them ([Settings](settings.md)).",
)
RESOURCE_API_REFUSED = REFUSALS.add(
    "ResourceApiRefused",
    Refusal("500"),
    "The resource API refused a request of the Edge API.",
    "Read the log of `flotta-edge-api`; check its RBAC.",
)
REFUSALS.add(
    INTERNAL_ERROR,
    Refusal("500"),
    "The Edge API has a bug.",
    "Report it with the log of `flotta-edge-api`.",
)
RESOURCE_API_UNREACHABLE = REFUSALS.add(
    "ResourceApiUnreachable",
    Refusal("503"),
    "The resource API does not answer.",
    "Nothing if it passes; otherwise look at the resource API.",
)
CERTIFICATES_UNUSABLE = REFUSALS.add(
    "CertificatesUnusable",
    Refusal("503"),
    "The [directory](control-plane.md#certificates-in-a-directory) in which the Edge API keeps its "
    "certificates cannot be used: its owner or mode is wrong, its disk is full, or something that "
    "is not a certificate lies in it. Nothing is destroyed.",
    "The log of `flotta-edge-api` says what, and how to mend it.",
)
STORE_UNREACHABLE = REFUSALS.add(
    "StoreUnreachable",
    Refusal("503"),
    "The [remote data store](configuration-api.md) does not answer, or answers 5xx.",
    "Nothing if it passes; otherwise the log of `flotta-edge-api` says what is wrong and what to "
    "do about it.",
)
STORE_REFUSED = REFUSALS.add(
    "StoreRefused",
    Refusal("503"),
    "The remote data store and the Edge API do not trust each other: a certificate is not "
    "accepted, or the store answered 401 or 403.",
    "The log of `flotta-edge-api` says whose certificate it is. See "
    "[Troubleshoot](../how-to/troubleshoot.md#the-data-store-cannot-be-used).",
)
STORE_ANSWER_INVALID = REFUSALS.add(
    "StoreAnswerInvalid",
    Refusal("503"),
    "The remote data store gave an answer that is not as the API describes it.",
    "Correct the store; the log of `flotta-edge-api` says what is wrong with the answer, and "
    "`python -m flotta.configuration_api.conformance` tests a store.",
)
CONFLICT = REFUSALS.add(
    "Conflict",
    Refusal("503"),
    "Other writers keep changing the same object.",
    "Nothing: the device tries again.",
)
REFUSALS.add(
    STARTING,
    Refusal("503"),
    "The Edge API is starting.",
    "Nothing: the device tries again.",
)

SECTIONS = (REFUSALS,)

# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/protocol/reasons/device_programs.py: change that.
"""Reasons of the two programs of a device, in their journals and in what the worker reports."""

from __future__ import annotations

from ...protocol.reasons.reason import Event, Log, Rows
from ...protocol.reasons.workloads import DISK_RESERVE_REACHED, INTERNAL_ERROR

GATEWAY = Log("flotta-gateway")
WORKER = Log("flotta-device-worker")
BY_WORKER = Event("EdgeDevice", "Warning", "Edge API, reported by the worker")

CONNECTION = Rows()
EDGE_API_UNREACHABLE = CONNECTION.add(
    "EdgeApiUnreachable",
    GATEWAY,
    "There is no connection to the Edge API, or no response in time.",
    "Check the device's network, DNS, proxy and `server` in `/etc/yggdrasil/config.toml`. The "
    "gateway tries again; workloads keep running.",
)
SERVER_NOT_TRUSTED = CONNECTION.add(
    "ServerNotTrusted",
    GATEWAY,
    "The server's certificate was not issued by the device's CA, or not for its name. The gateway "
    "sends nothing.",
    "Compare `server` in `/etc/yggdrasil/config.toml`, and the CAs in the file that the line names "
    "([Trusted CAs](device.md#trusted-cas)), with the certificate of the Edge API. If the CA of "
    "the fleet was replaced, run the role `flotta.edge.device` again, or write a new stick.",
)
CERTIFICATE_REFUSED = CONNECTION.add(
    "CertificateRefused",
    GATEWAY,
    "The server ended the connection without a response, as a server does that does not accept "
    "the device's certificate.",
    "Compare the device's certificate with the CA of the fleet (Secret `flotta-ca`). If the "
    "control plane was installed again, run the role `flotta.edge.device` again, or write a new "
    "stick.",
)
INVALID_RESPONSE = CONNECTION.add(
    "InvalidResponse",
    GATEWAY,
    "The response is not HTTP, is too large, or is not what was asked for.",
    "Check that `server` and `path-prefix` in `/etc/yggdrasil/config.toml` lead to the Edge API, "
    "and compare the versions of control plane and device.",
)
REQUEST_REFUSED = CONNECTION.add(
    "RequestRefused",
    GATEWAY,
    "The Edge API refused a request without a reason, as that of Project Flotta v0.2 does, or a "
    "proxy did.",
    "The line says what the status means; read the log of the Edge API.",
)
NOT_JOINED = CONNECTION.add(
    "NotJoined",
    GATEWAY,
    "The device waits for its approval, or has no certificate of its own yet.",
    "`flotta approve NAME`. The device then registers automatically.",
)
UNREADABLE_MESSAGE = CONNECTION.add(
    "UnreadableMessage",
    GATEWAY,
    "A message of the Edge API cannot be read, or is of an unknown type or command. It is ignored.",
    "Compare the versions of control plane and device ([Upgrade](../how-to/upgrade.md)).",
)
WORKER_UNAVAILABLE = CONNECTION.add(
    "WorkerUnavailable",
    GATEWAY,
    "The worker does not run, does not answer, or another process takes its place. Messages wait.",
    "`systemctl status flotta-device-worker` on the device.",
)

IDENTITY = Rows()
IDENTITY_UNUSABLE = IDENTITY.add(
    "IdentityUnusable",
    GATEWAY,
    "There is no usable certificate and key, or a new certificate does not belong to this device.",
    "Run the role `flotta.edge.device` again: it installs the registration certificate. For a "
    "device that runs from an image, write a new stick.",
)
CA_BUNDLE_REFUSED = IDENTITY.add(
    "CABundleRefused",
    GATEWAY,
    "The CAs that the Edge API sent with a certificate are not usable, or no CA that the device "
    "trusts vouches for one of them. The device uses the certificate, and trusts the CAs that it "
    "trusted before.",
    "Check `ca.crt` in Secret `flotta-ca`: it must contain CA certificates only, at most 16. A new "
    "CA of your own PKI needs a certificate of the one before in `cross.crt`, or the role "
    "`flotta.edge.device` on the devices. If you changed nothing, somebody else may have the key "
    "of the Edge API.",
)
KEY_DAMAGED = IDENTITY.add(
    "KeyDamaged",
    GATEWAY,
    "The key of the next certificate cannot be read. The gateway generates another one.",
    "Check the disk of the device.",
)
IDENTITY_REMAINS = IDENTITY.add(
    "IdentityRemains",
    GATEWAY,
    "Certificates or keys could not be removed.",
    "Check the disk of the device, then remove what the line names.",
)
CLOCK_DIFFERS = IDENTITY.add(
    "ClockDiffers",
    GATEWAY,
    "The clock of the device and that of the control plane differ, or the certificate of the "
    "Edge API is not valid now. The gateway continues.",
    "Synchronise the clock of the device (NTP); check the certificate of the Edge API.",
)
NOT_STORED = IDENTITY.add(
    "NotStored",
    GATEWAY,
    "A key, a certificate or the latest time of the control plane could not be written or read. "
    "The gateway continues with what it has, and tries again.",
    "Check the free space and the mounts of the device: `df -h /etc/pki /var/lib/yggdrasil`.",
)
DEVICE_REMOVED = IDENTITY.add(
    "DeviceRemoved",
    Log("flotta-gateway, flotta-device-worker"),
    "The device was decommissioned: its workloads, data and certificates are removed, and it "
    "takes no further part in the fleet.",
    "Nothing. To let it join again, run the role `flotta.edge.device` with "
    "`device_state: present`, or take the [state](images.md#forget-the-state) of a device that "
    "runs from an image.",
)

STATE = Rows()
GATEWAY_UNAVAILABLE = STATE.add(
    "GatewayUnavailable",
    WORKER,
    "The worker has no connection to the gateway, or got no usable response from it.",
    "`systemctl status flotta-gateway` on the device.",
)
HEARTBEAT_REFUSED = STATE.add(
    "HeartbeatRefused",
    WORKER,
    "The control plane refused a heartbeat; the line says what the status means.",
    "The journal of `flotta-gateway` has the reason of the refusal at the same time.",
)
RENEWAL_UNSUPPORTED = STATE.add(
    "RenewalUnsupported",
    WORKER,
    "The gateway leaves key and certificate to its workers, but may not name files to this one: it "
    "runs as another user than root and the worker's own, or the two paths are not usable.",
    "Run that gateway as root, with absolute, different paths in `cert-file` and `key-file`, or "
    "use the gateway of this project ([Other gateways](device.md#other-gateways)).",
)
CERTIFICATE_UNUSABLE = STATE.add(
    "CertificateUnusable",
    WORKER,
    "The gateway leaves key and certificate to its workers, and what is in its files cannot be "
    "used: it is missing or damaged, does not belong together, or the gateway has no id of a "
    "device. Nothing is removed, and pods keep running.",
    "Install a registration certificate and its key in the files that `cert-file` and `key-file` "
    "of the gateway name, and set `client-id` ([Other gateways](device.md#other-gateways)).",
)
CERTIFICATE_NOT_INSTALLED = STATE.add(
    "CertificateNotInstalled",
    WORKER,
    "The gateway leaves key and certificate to its workers, and there is no new certificate: the "
    "control plane refused it, sent one that is not for this device, its key or from a CA of "
    "`ca-root`, or it could not be written. The one before stays.",
    "The line says which. Compare `ca-root` of the gateway with the CA of the fleet, and check the "
    "free space of the device.",
)
STATE_UNREADABLE = STATE.add(
    "StateUnreadable",
    WORKER,
    "A file of the worker's state cannot be read. The worker continues with the copy before it, "
    "or without.",
    "Check the disk of the device. Nothing is removed because of this.",
)
STATE_NOT_STORED = STATE.add(
    "StateNotStored",
    WORKER,
    "The worker's state could not be written. The configuration is applied all the same, and the "
    "device reports itself degraded.",
    "Check the free space and the mounts of the device: `df -h /var/lib/flotta`.",
)
PROBE_ERRORED = STATE.add(
    "ProbeErrored",
    WORKER,
    "A probe could not be carried out: the OCI runtime that runs the container says why. This "
    "counts neither as passed nor as failed.",
    "Try the command on the device: `podman exec WORKLOAD-CONTAINER COMMAND`.",
)
REMOVAL_INCOMPLETE = STATE.add(
    "RemovalIncomplete",
    WORKER,
    "Something of a workload or of a decommissioned device could not be removed; the line names "
    "it. The device tries again.",
    "Remove what the line names, or what keeps it in use.",
)

REPORTED = Rows()
CONFIGURATION_REFUSED = REPORTED.add(
    "ConfigurationRefused",
    BY_WORKER,
    "The worker could not use a configuration as a whole: it is malformed, too large, for "
    "another device, or names a workload twice. The last good one stays in effect.",
    "Compare the versions of control plane and device ([Upgrade](../how-to/upgrade.md)).",
)
CONFIGURATION_OLDER = REPORTED.add(
    "ConfigurationOlder",
    BY_WORKER,
    "Two configurations in a row were made of [older objects](device.md#older-configurations) than "
    "one before them. The device applied them, but keeps the workloads that they do not contain; "
    "the message names these, and the versions.",
    "If the store was replaced by an older copy, create the missing EdgeWorkloads again before "
    "its `resourceVersion` has grown past the higher one ([After restoring a "
    "backup](../how-to/restore-a-backup.md#etcd)). Otherwise look at `/readyz` of each replica of "
    "the Edge API.",
)
INVALID_STORAGE = REPORTED.add(
    "InvalidStorage",
    BY_WORKER,
    "The storage section cannot be decoded. The storage before it stays in use.",
    "Check the values of the storage Secret.",
)
REPORTED.add(
    REMOVAL_INCOMPLETE,
    BY_WORKER,
    "Something of a workload that was removed cannot be deleted from the device, such as an "
    "immutable file of the pod. Its pod and Secrets are gone, and the rest is tried again.",
    "Do what the message says about each path ([A removal that is not "
    "complete](device.md#a-removal-that-is-not-complete)).",
)
SYNC_STATE_UNAVAILABLE = REPORTED.add(
    "SyncStateUnavailable",
    BY_WORKER,
    "What was synchronised cannot be kept on the device's disk, so it is in memory ([State "
    "database](device.md#state-database)).",
    "Check the disk of the device: `df -h /var/lib/flotta`. The message has the error.",
)
REPORTED.add(
    DISK_RESERVE_REACHED,
    BY_WORKER,
    "The same, because the disk has less free space than [the reserve](device.md#free-disk-space).",
    "Free space on the device.",
)
REPORTED.add(
    INTERNAL_ERROR,
    BY_WORKER,
    "A part of a configuration could not be applied, because of a bug in the worker.",
    "Report it with the journal of `flotta-device-worker`.",
)

SECTIONS = (CONNECTION, IDENTITY, STATE, REPORTED)

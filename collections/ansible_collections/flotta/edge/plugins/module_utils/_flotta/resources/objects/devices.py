# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/resources/objects/devices.py: change that.
"""EdgeDevice, and EdgeDeviceSignedRequest, with which a device joins.

Fields are described in docs/reference/crds.md#edgedevice.
"""

from __future__ import annotations

from typing import Required, TypedDict

from ...resources.objects.device_settings import DeviceSettings
from ...resources.objects.meta import Condition, CustomResource, Manifest
from ...resources.objects.playbooks import PlaybookExecutionStatus


class QuarantineSection(TypedDict, total=False):
    """Who quarantined a device, when, why, and whether it stops its pods (`Stop`, `Keep`)."""

    pods: str
    by: str
    since: str
    reason: str


class EdgeDeviceSpec(DeviceSettings, total=False):
    """The desired settings of a device."""

    requestTime: str
    quarantine: QuarantineSection


class Cpu(TypedDict, total=False):
    """The processor of a device."""

    architecture: str
    modelName: str
    flags: list[str]


class SystemVendor(TypedDict, total=False):
    """The manufacturer of a device."""

    manufacturer: str
    productName: str
    serialNumber: str


class Hardware(TypedDict, total=False):
    """The hardware that a device reported; lists of parts are stored as reported."""

    hostname: str
    boot: Manifest
    cpu: Cpu
    memory: Manifest
    systemVendor: SystemVendor
    disks: list[Manifest]
    gpus: list[Manifest]
    interfaces: list[Manifest]
    hostDevices: list[Manifest]
    mounts: list[Manifest]


class WorkloadStatus(TypedDict, total=False):
    """The status of a workload on a device."""

    name: Required[str]
    phase: str
    reason: str
    message: str
    ready: bool
    lastTransitionTime: str
    lastDataUpload: str
    filesUp: int
    filesDown: int


class UpgradeInformation(TypedDict, total=False):
    """The OSTree commit that a device runs."""

    currentCommitID: Required[str]
    lastUpgradeStatus: str
    lastUpgradeTime: str


class DevicePlaybook(TypedDict, total=False):
    """The status of a PlaybookExecution on a device."""

    name: Required[str]
    PlaybookExecutionStatus: PlaybookExecutionStatus


class DeviceCertificate(TypedDict, total=False):
    """The certificate that a device used last; times are RFC 3339, the others hex."""

    notBefore: str
    notAfter: str
    serialNumber: str
    authority: str


class EdgeDeviceStatus(TypedDict, total=False):
    """What a device reported, and what the control plane found out about it."""

    phase: str
    lastSeenTime: str
    agentVersion: str
    lastSyncedResourceVersion: str
    dataObc: str
    hardware: Hardware
    conditions: list[Condition]
    workloads: list[WorkloadStatus]
    PlaybookExec: list[DevicePlaybook]
    upgradeInformation: UpgradeInformation
    certificate: DeviceCertificate


class EdgeDevice(CustomResource[EdgeDeviceSpec, EdgeDeviceStatus]):
    """A device of the fleet."""


class Features(TypedDict, total=False):
    """What a device reported about itself when it requested to join."""

    modelName: str
    hardware: Hardware


class SignedRequestSpec(TypedDict, total=False):
    """The namespace that a device requests to join, what it gets, and whether it is approved."""

    targetNamespace: Required[str]
    targetSet: str
    labels: dict[str, str]
    approved: bool
    features: Features


class Decision(TypedDict, total=False):
    """Who or which rule decided about a request, when, and on which evidence (sentences)."""

    by: str
    at: str
    evidence: list[str]


class SignedRequestStatus(TypedDict, total=False):
    """The state of a request."""

    observedGeneration: int
    phase: str
    decision: Decision
    conditions: list[Condition]


class SignedRequest(CustomResource[SignedRequestSpec, SignedRequestStatus]):
    """The request of a device to join the fleet."""

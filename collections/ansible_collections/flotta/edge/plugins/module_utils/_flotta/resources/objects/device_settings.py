# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/resources/objects/device_settings.py: change that.
"""The settings of a device, its own or those of its EdgeDeviceSet.

Units and defaults: docs/reference/crds.md#spec-of-edgedevice.
"""

from __future__ import annotations

from typing import TypedDict

from ...resources.objects.meta import Condition, CustomResource, NameReference


class HardwareProfile(TypedDict, total=False):
    """Whether heartbeats report the hardware, and all of it or only changes."""

    include: bool
    scope: str


class HeartbeatSection(TypedDict, total=False):
    """How often the device reports, and what."""

    periodSeconds: int
    hardwareProfile: HardwareProfile


class S3Section(TypedDict, total=False):
    """The external storage of a device, or the request for a bucket of its own."""

    secretName: str
    configMapName: str
    createOBC: bool


class StorageSection(TypedDict, total=False):
    """Where a device synchronises its data."""

    s3: S3Section


class RetentionSection(TypedDict, total=False):
    """How long a device keeps its metrics."""

    maxMiB: int
    maxHours: int


class ComponentMetricsSection(TypedDict, total=False):
    """The metrics of one part of a device."""

    interval: int  # seconds
    allowList: NameReference
    disabled: bool


class ReceiverSection(TypedDict, total=False):
    """Where a device sends its metrics."""

    url: str
    caSecretName: str
    requestNumSamples: int
    timeoutSeconds: int


class MetricsSection(TypedDict, total=False):
    """The metrics of a device."""

    retention: RetentionSection
    system: ComponentMetricsSection
    dataTransfer: ComponentMetricsSection
    receiverConfiguration: ReceiverSection


class LogTarget(TypedDict, total=False):
    """Where a device sends logs."""

    kind: str
    bufferSize: int  # KiB
    syslogConfig: NameReference


class MountSection(TypedDict, total=False):
    """A file system that a device mounts."""

    device: str
    folder: str
    type: str
    options: str


class OperatingSystemSection(TypedDict, total=False):
    """The OSTree commit that a device should run."""

    automaticallyUpgrade: bool
    commitID: str
    hostedObjectsURL: str


class DeviceSettings(TypedDict, total=False):
    """The settings of a device, its own or those of its set."""

    heartbeat: HeartbeatSection
    storage: StorageSection
    metrics: MetricsSection
    logCollection: dict[str, LogTarget]
    mounts: list[MountSection]
    osInformation: OperatingSystemSection


class EdgeDeviceSetStatus(TypedDict, total=False):
    """Counts of the devices of a set."""

    observedGeneration: int
    members: int
    ready: int
    conditions: list[Condition]


class EdgeDeviceSet(CustomResource[DeviceSettings, EdgeDeviceSetStatus]):
    """The settings of all devices that are labelled with its name."""

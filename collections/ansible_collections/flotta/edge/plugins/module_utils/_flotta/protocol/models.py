# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# Copied by scripts/generate_module_utils.py from src/flotta/protocol/models.py: change that.
"""Contents of the directives. Attribute names are the wire names in snake case.

For objects and lists, absent, `null` and empty mean the same; readers must skip list elements that
are `null` (docs/reference/wire-protocol.md#json-conventions).
"""

from __future__ import annotations

from typing import Annotated

try:
    import msgspec
except ImportError:  # the plugin that needs it says so
    msgspec = None

from ..protocol.hardware import THOUSANDS, HardwareInfo, Mount
from ..protocol.metrics import Metrics, MetricsConfiguration
from ..rfc3339 import NEVER

MAX_BROUGHT_LABELS = 64  # labels that a device may bring along
# Said in the OpenAPI document; the store of the fleet refuses another text.
HEX_SHA256 = msgspec.Meta(extra_json_schema={"pattern": "^([0-9a-f]{64})?$"})


class _Content(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Base of contents and their parts: a field that is not set is not sent."""


class Features(_Content):
    """What a device reports about itself when it requests to join."""

    hardware: HardwareInfo | None = None
    model_name: str = msgspec.field(default="", name="modelName")


class EnrolmentInfo(_Content):
    """`enrolment`: the request to join a namespace (docs/reference/wire-protocol.md#enrolment).

    `public_key_fingerprint`, the hex SHA-256 of the key's SubjectPublicKeyInfo, and `labels`, which
    the device brings along, are additions to the protocol of v0.2.
    """

    features: Features | None = None
    target_namespace: str = ""
    public_key_fingerprint: Annotated[str, HEX_SHA256] = ""
    labels: Annotated[dict[str, str], msgspec.Meta(max_length=MAX_BROUGHT_LABELS)] | None = None


class RegistrationInfo(_Content):
    """`registration`: the request for a device certificate.

    `certificate_request` is PKCS#10 in PEM (docs/reference/wire-protocol.md#registration).
    """

    hardware: HardwareInfo | None = None
    certificate_request: str = ""


class RegistrationResponse(_Content):
    """Response to `registration`: one PEM certificate.

    Additions to v0.2, in PEM: `ca_bundle` are the CAs that the device trusts from then on,
    `ca_cross_certificates` vouch for them to who knows a former CA alone.
    """

    certificate: str = ""
    ca_bundle: str = ""
    ca_cross_certificates: str = ""


class WorkloadStatus(_Content):
    """State of one workload; all but name, status and upload time are additions to v0.2."""

    name: str = ""
    status: str = ""  # one of `phases`
    last_data_upload: str = NEVER  # RFC 3339
    reason: str = ""
    message: str = ""
    files_up: int = 0
    files_down: int = 0
    ready: bool | None = None  # None where no probe decides it


class PlaybookExecutionStatus(_Content):
    """State of a playbook. Only agents of v0.2 report it."""

    name: str = ""
    status: str = ""
    last_data_upload: str = NEVER


class UpgradeStatus(_Content):
    """The OSTree commit that a device has booted, and how its last upgrade went."""

    current_commit_id: str = msgspec.field(default="", name="current_commit_ID")
    last_upgrade_status: str = ""
    last_upgrade_time: str = ""


class EventInfo(_Content):
    """An event on the device; `type` is info or warn. `workload` is an addition to v0.2."""

    reason: str = ""
    message: str = ""
    type: str = ""
    workload: str = ""


class Heartbeat(_Content):
    """`heartbeat`: the state of a device and its workloads.

    `agent_version` is an addition to v0.2 (docs/reference/wire-protocol.md#heartbeat).
    """

    status: str = ""  # up, degraded
    version: str = ""  # of the configuration that the device applied
    workloads: Annotated[list[WorkloadStatus | None], THOUSANDS] | None = None
    playbook_executions: Annotated[list[PlaybookExecutionStatus | None], THOUSANDS] | None = (
        msgspec.field(default=None, name="playbook-executions")
    )
    hardware: HardwareInfo | None = None
    upgrade: UpgradeStatus | None = None
    events: Annotated[list[EventInfo | None], THOUSANDS] | None = None
    agent_version: str = ""


class PlaybookExecution(_Content):
    """A playbook, as agents of v0.2 run it; this control plane sends none."""

    name: str = ""
    ansible_playbook_string: str = ""
    last_data_upload: str = NEVER


class HardwareProfileConfiguration(_Content):
    """Whether heartbeats carry hardware; `scope` is full or delta."""

    include: bool = False
    scope: str = ""


class HeartbeatConfiguration(msgspec.Struct, kw_only=True):
    """How often and with what a device reports; `period_seconds` 0 means 60.

    The profile is always sent, because agents of v0.2 stop without it
    (docs/reference/wire-protocol.md#device-settings).
    """

    hardware_profile: HardwareProfileConfiguration = msgspec.field(
        default_factory=HardwareProfileConfiguration
    )
    period_seconds: int = 60


class AnsibleManagerConfiguration(_Content):
    """How often an agent of v0.2 asks for playbooks; this control plane does not send it."""

    period_seconds: int = 0


class S3StorageConfiguration(_Content):
    """The bucket of a device and its access key. The `aws_*` values are base64 of the raw bytes.

    See docs/reference/wire-protocol.md#storage.
    """

    aws_access_key_id: str = ""
    aws_ca_bundle: str = ""
    aws_secret_access_key: str = ""
    bucket_host: str = ""
    bucket_name: str = ""
    bucket_port: int = 0
    bucket_region: str = ""


class StorageConfiguration(_Content):
    """Where a device synchronises its files; without `s3` it has no storage."""

    s3: S3StorageConfiguration | None = None


class SyslogConfig(_Content):
    """A syslog server; `protocol` is tcp or udp."""

    address: str = ""
    protocol: str = ""


class LogsCollectionInformation(_Content):
    """A target for logs; workloads refer to it by its name."""

    buffer_size: int = 0  # KiB
    kind: str = ""
    syslog_config: SyslogConfig | None = None


class OsInformation(_Content):
    """The OSTree commit that a device should boot, and the URL of its repository."""

    automatically_upgrade: bool = False
    commit_id: str = ""
    hosted_objects_url: str = ""


class DeviceConfiguration(_Content):
    """Settings of the device itself."""

    ansible_manager: AnsibleManagerConfiguration | None = msgspec.field(
        default=None, name="ansible-manager"
    )
    heartbeat: HeartbeatConfiguration | None = None
    log_collection: dict[str, LogsCollectionInformation] | None = msgspec.field(
        default=None, name="log-collection"
    )
    metrics: MetricsConfiguration | None = None
    mounts: list[Mount] | None = None
    os: OsInformation | None = None
    storage: StorageConfiguration | None = None
    # An addition to v0.2: storage is configured but cannot be resolved now; the device keeps what
    # it has.
    storage_unresolved: bool = False


KEEP = "Keep"  # retention of files


class DataPath(_Content):
    """A directory and a prefix in the bucket; files are copied from `source` to `target`."""

    source: str = ""
    target: str = ""


class DataConfiguration(_Content):
    """What is synchronised; `egress`: device to bucket, `ingress`: bucket to device.

    `retention`, an addition to v0.2, says what becomes of the files on the device when the workload
    is removed: `Delete`, also if it is empty, or `Keep`.
    """

    egress: list[DataPath] | None = None
    ingress: list[DataPath] | None = None
    retention: str = ""

    @property
    def is_kept(self) -> bool:
        """Whether the files stay on the device when the workload is removed."""
        return self.retention == KEEP


class ImageRegistries(_Content):
    """Credentials for image registries; `authFile` is the text of a .dockerconfigjson."""

    auth_file: str = msgspec.field(default="", name="authFile")


class Workload(_Content):
    """One pod; `specification` is the YAML of a PodSpec, `configmaps` are YAML documents.

    `field_labels` and `field_annotations`, an addition to v0.2, are those of the object that fields
    of the pod refer to. See docs/reference/wire-protocol.md#workloads.
    """

    annotations: dict[str, str] | None = None
    configmaps: list[str] | None = None
    data: DataConfiguration | None = None
    field_annotations: dict[str, str] | None = None
    field_labels: dict[str, str] | None = None
    image_registries: ImageRegistries | None = msgspec.field(default=None, name="imageRegistries")
    labels: dict[str, str] | None = None
    log_collection: str = ""
    metrics: Metrics | None = None
    name: str = ""
    namespace: str = ""
    specification: str = ""


class Secret(_Content):
    """A Secret that pods refer to; `data` is JSON text of an object: key to base64 of the value."""

    data: str = ""
    name: str = ""


class InputsVersion(_Content):
    """How new the objects are that a configuration was made of (an addition to v0.2).

    Each is a decimal `resourceVersion`, and compared with the same one of another message, if that
    has the same `device_uid` (docs/reference/wire-protocol.md#older-configurations).
    """

    device_uid: str = ""  # of the EdgeDevice
    workloads_version: str = ""  # up to which the sender knows all changes of EdgeWorkloads
    device_version: str = ""  # of the EdgeDevice
    resource_version: str = ""  # not sent any more: up to which it knows all changes of both kinds


class DeviceConfigurationMessage(_Content):
    """`device`: everything a device has to know; `version` identifies the content.

    See docs/reference/wire-protocol.md#configuration.
    """

    configuration: DeviceConfiguration | None = None
    device_id: str = ""
    inputs_version: InputsVersion | None = None  # not part of the content that `version` identifies
    secrets: list[Secret] | None = None
    # An addition to v0.2: names of workloads that are configured but cannot be delivered now, or
    # were until a label changed that the device reports; it keeps what it has of them.
    unresolved_workloads: list[str] | None = None
    # An addition to v0.2: what the first of these say about files, because that counts at once.
    unresolved_data: dict[str, DataConfiguration] | None = None
    version: str = ""
    workloads: list[Workload] | None = None
    workloads_monitoring_interval: int = 0

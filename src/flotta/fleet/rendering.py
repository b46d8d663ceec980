"""The configuration of one device, computed from objects alone.

Which workloads a device runs is decided here from the selectors, at every rendering; membership
in `status.workloads` is for people to read. One broken reference holds back one workload or one
section and is reported as a Problem; it never holds back the rest, and a device keeps what it has
of that workload (docs/reference/control-plane.md#broken-references). For a while it also keeps what
it would lose by a label that it reports itself (`former_labels`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import msgspec

from flotta.fleet import device_settings
from flotta.fleet.adoption import forgets_unresolved
from flotta.fleet.former_labels import workloads_kept
from flotta.fleet.object_storage import render_storage
from flotta.fleet.references import BrokenReference, ObjectSource
from flotta.fleet.refused_fields import RefusedFields, check_fields
from flotta.fleet.selection import workloads_for
from flotta.fleet.workload_rendering import render_data, render_workload
from flotta.protocol.models import (
    DataConfiguration,
    DeviceConfiguration,
    DeviceConfigurationMessage,
    S3StorageConfiguration,
    Secret,
    StorageConfiguration,
    Workload,
)
from flotta.protocol.reasons.reason import Code
from flotta.protocol.reasons.workloads import MISCONFIGURATION
from flotta.resources.kinds import EDGE_DEVICE_SET, MEMBER_LABEL
from flotta.resources.objects.device_settings import DeviceSettings
from flotta.resources.objects.devices import EdgeDevice
from flotta.resources.views import labels_of, name_of, namespace_of, spec_of

VERSION_LENGTH = 32  # hex digits

__all__ = ["ObjectSource", "Problem", "RenderedConfiguration", "render_configuration"]


@dataclass(frozen=True)
class Problem:
    """Something that could not be delivered.

    `workload` is "" when it concerns the device itself.
    """

    workload: str
    kind: str
    reason: Code
    message: str


@dataclass(frozen=True)
class RenderedConfiguration:
    """A device's configuration; `version` changes if and only if the content does.

    It is a digest of the content (docs/reference/control-plane.md#version-of-a-configuration).
    """

    content: DeviceConfigurationMessage
    version: str
    problems: tuple[Problem, ...]

    @property
    def s3(self) -> S3StorageConfiguration | None:
        """The storage section, None when there is none."""
        section = self.content.configuration.storage if self.content.configuration else None
        return section.s3 if section else None

    @property
    def storage_unresolved(self) -> bool:
        """Whether the desired storage is unknown, so that the device keeps what it has."""
        configuration = self.content.configuration
        return configuration is not None and bool(configuration.storage_unresolved)


def render_configuration(
    device: EdgeDevice,
    source: ObjectSource,
    last_s3: S3StorageConfiguration | None = None,
    s3_endpoint: str = "",
) -> RenderedConfiguration:
    """Return the configuration of an EdgeDevice.

    `last_s3` is what was delivered before: it stays while the references to the desired storage
    cannot be resolved, because a device that gets "no storage" stops synchronising. When it is
    not known (a control plane that was just started), the device is asked to keep what it has
    (docs/reference/control-plane.md#storage).
    `s3_endpoint` is where devices reach the buckets of claims, if not where ConfigMaps say.
    """
    problems: list[Problem] = []

    def report(section: str, error: BrokenReference) -> None:
        problems.append(Problem("", section, MISCONFIGURATION, f"{section}: {error}"))

    spec = _effective_spec(device, source, report)
    s3 = _resolve_storage(device, spec, source, s3_endpoint, report)
    # A set that does not exist may have named a storage, so the storage counts as lost too.
    lost = bool(problems)
    configuration = _render_settings(device, spec, source, report)
    configuration.storage = _storage_section(s3 or (last_s3 if lost else None))
    configuration.storage_unresolved = lost and configuration.storage is None
    delivered = _render_workloads(device, source, problems)
    secrets, unresolved = delivered.secrets, delivered.unresolved
    kept = map(name_of, workloads_kept(device, source.workloads(namespace_of(device))))
    content = DeviceConfigurationMessage(
        device_id=name_of(device),
        configuration=configuration,
        workloads=delivered.workloads or None,
        secrets=[secrets[name] for name in sorted(secrets)] or None,
        unresolved_workloads=sorted([*unresolved, *kept]) or None,
        unresolved_data=unresolved or None,
    )
    content.version = _content_version(content)
    return RenderedConfiguration(content, content.version, tuple(problems))


def _resolve_storage(
    device: EdgeDevice,
    spec: DeviceSettings,
    source: ObjectSource,
    endpoint: str,
    report: device_settings.ReportProblem,
) -> S3StorageConfiguration | None:
    try:
        return render_storage(device, spec, source, endpoint)
    except BrokenReference as error:
        report("storage", error)
        return None


def _render_settings(
    device: EdgeDevice,
    spec: DeviceSettings,
    source: ObjectSource,
    report: device_settings.ReportProblem,
) -> DeviceConfiguration:
    namespace = namespace_of(device)
    return DeviceConfiguration(
        heartbeat=device_settings.render_heartbeat(spec),
        os=device_settings.render_operating_system(spec),
        mounts=device_settings.render_mounts(spec),
        log_collection=device_settings.render_log_collection(spec, source, namespace, report),
        metrics=device_settings.render_metrics(spec, source, namespace, report),
    )


def _storage_section(s3: S3StorageConfiguration | None) -> StorageConfiguration | None:
    return StorageConfiguration(s3=s3) if s3 else None


@dataclass(frozen=True)
class _Delivered:
    """Workloads with their Secrets, and what those that cannot be delivered say about files."""

    workloads: list[Workload] = field(default_factory=list)
    secrets: dict[str, Secret] = field(default_factory=dict)
    unresolved: dict[str, DataConfiguration] = field(default_factory=dict)


def _render_workloads(
    device: EdgeDevice, source: ObjectSource, problems: list[Problem]
) -> _Delivered:
    found = _Delivered()
    # An agent of v0.2 would remove what is not delivered. It ignores such fields, as ever.
    checked = not forgets_unresolved(device)
    for resource in workloads_for(device, source.workloads(namespace_of(device))):
        name = name_of(resource)
        try:
            if checked:
                check_fields(resource)
            rendered = render_workload(resource, source)
        except (BrokenReference, RefusedFields) as error:
            problems.append(Problem(name, "EdgeWorkload", MISCONFIGURATION, str(error)))
            data = render_data(spec_of(resource).get("data"))
            found.unresolved[name] = data or DataConfiguration()
            continue
        found.workloads.append(rendered.workload)
        found.secrets.update(rendered.secrets)
    return found


def _effective_spec(
    device: EdgeDevice, source: ObjectSource, report: device_settings.ReportProblem
) -> DeviceSettings:
    """Return the whole spec of the device's set, else the device's own.

    (docs/reference/control-plane.md#edgedevicesets)
    """
    # Whole, as in v0.2: merging section by section would give settings that no user wrote.
    name = labels_of(device).get(MEMBER_LABEL)
    own = spec_of(device)
    if not name:
        return own
    found = source.lookup(EDGE_DEVICE_SET, namespace_of(device), name)
    if found is None:
        report("set", BrokenReference(f"EdgeDeviceSet {name!r} does not exist"))
        return own
    return spec_of(found)


def _content_version(content: DeviceConfigurationMessage) -> str:
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:VERSION_LENGTH]

"""The sections of a device's configuration that concern the device itself, except storage.

`spec` is the EdgeDevice's, or the whole EdgeDeviceSet's when the device is in a set: a section that
the set does not have is not taken from the device either. Defaults and wire names:
docs/reference/control-plane.md#device-settings.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Literal

import yaml

from flotta.fleet.heartbeat_settings import heartbeat_settings
from flotta.fleet.references import (
    BrokenReference,
    ObjectSource,
    Reference,
    require_value,
    resolve_reference,
)
from flotta.protocol.hardware import Mount
from flotta.protocol.metrics import (
    ComponentMetricsConfiguration,
    MetricsAllowList,
    MetricsConfiguration,
    MetricsReceiverConfiguration,
    MetricsRetention,
)
from flotta.protocol.models import (
    HardwareProfileConfiguration,
    HeartbeatConfiguration,
    LogsCollectionInformation,
    OsInformation,
    SyslogConfig,
)
from flotta.resources.kinds import CONFIG_MAP, SECRET
from flotta.resources.objects.device_settings import (
    DeviceSettings,
    LogTarget,
    MetricsSection,
    ReceiverSection,
    RetentionSection,
)
from flotta.yaml_loader import load_yaml

ComponentName = Literal["system", "dataTransfer"]
ReportProblem = Callable[[str, BrokenReference], None]  # section, why it is left out

DEFAULT_SAMPLES = 30000  # in one request to the metrics receiver
DEFAULT_RECEIVER_TIMEOUT = 10  # seconds
DEFAULT_BUFFER = 12  # KiB
ALLOW_LIST_KEY = "metrics_list.yaml"


def render_heartbeat(spec: DeviceSettings) -> HeartbeatConfiguration:
    """Return how often the device reports, and whether with its hardware."""
    settings = heartbeat_settings(spec)
    return HeartbeatConfiguration(
        period_seconds=settings.period,
        hardware_profile=HardwareProfileConfiguration(
            include=settings.include_hardware, scope=settings.hardware_scope
        ),
    )


def render_operating_system(spec: DeviceSettings) -> OsInformation | None:
    """Return the desired OSTree commit; None leaves the system alone."""
    section = spec.get("osInformation")
    if section is None:
        return None
    return OsInformation(
        automatically_upgrade=bool(section.get("automaticallyUpgrade")),
        commit_id=section.get("commitID") or "",
        hosted_objects_url=section.get("hostedObjectsURL") or "",
    )


def render_mounts(spec: DeviceSettings) -> list[Mount]:
    """Return the mounts that the device should make."""
    return [
        Mount(
            device=item.get("device"),
            directory=item.get("folder"),
            type=item.get("type"),
            options=item.get("options"),
        )
        for item in spec.get("mounts") or ()
    ]


def render_log_collection(
    spec: DeviceSettings, source: ObjectSource, namespace: str, report: ReportProblem
) -> dict[str, LogsCollectionInformation] | None:
    """Return the log targets by name; one whose ConfigMap is unusable is left out and reported."""
    targets = {}
    for name, item in sorted((spec.get("logCollection") or {}).items()):
        try:
            targets[name] = _render_log_target(item, source, namespace)
        except BrokenReference as error:
            report(f"logCollection.{name}", error)
    return targets or None


def render_metrics(
    spec: DeviceSettings, source: ObjectSource, namespace: str, report: ReportProblem
) -> MetricsConfiguration:
    """Return retention, receiver and components.

    The receiver is always present; an empty url means that it is off.
    """
    section = spec.get("metrics") or {}
    return MetricsConfiguration(
        retention=_render_retention(section.get("retention")),
        receiver=_render_receiver(
            section.get("receiverConfiguration") or {}, source, namespace, report
        ),
        system=_render_component("system", section, source, namespace, report),
        data_transfer=_render_component("dataTransfer", section, source, namespace, report),
    )


def render_allow_list(source: ObjectSource, namespace: str, name: str) -> MetricsAllowList:
    """Return the metric names of a ConfigMap's `metrics_list.yaml`."""
    text = require_value(source, CONFIG_MAP, namespace, name, ALLOW_LIST_KEY)
    try:
        document = load_yaml(text)
    except yaml.YAMLError as error:
        raise BrokenReference(f"ConfigMap {name!r}: {ALLOW_LIST_KEY} is not YAML") from error
    names = document.get("names") if isinstance(document, dict) else None
    if not isinstance(names, list):
        raise BrokenReference(f"ConfigMap {name!r}: {ALLOW_LIST_KEY} has no list `names`")
    return MetricsAllowList(names=[str(name) for name in names])


def _render_log_target(
    item: LogTarget, source: ObjectSource, namespace: str
) -> LogsCollectionInformation:
    name = (item.get("syslogConfig") or {}).get("name")
    return LogsCollectionInformation(
        kind=item.get("kind") or "",
        buffer_size=item.get("bufferSize") or DEFAULT_BUFFER,
        syslog_config=_render_syslog(source, namespace, name) if name else None,
    )


def _render_syslog(source: ObjectSource, namespace: str, name: str) -> SyslogConfig:
    found = resolve_reference(Reference(CONFIG_MAP, name, optional=False), source, namespace)
    data = (found.get("data") if found else None) or {}
    protocol = data.get("Protocol") or "tcp"
    if protocol not in ("tcp", "udp"):
        raise BrokenReference(f"ConfigMap {name!r}: Protocol is {protocol!r}, not tcp or udp")
    return SyslogConfig(address=data.get("Address") or "", protocol=protocol)


def _render_retention(section: RetentionSection | None) -> MetricsRetention | None:
    if section is None:
        return None
    return MetricsRetention(
        max_hours=section.get("maxHours") or 0, max_mib=section.get("maxMiB") or 0
    )


def _render_receiver(
    section: ReceiverSection, source: ObjectSource, namespace: str, report: ReportProblem
) -> MetricsReceiverConfiguration:
    receiver = MetricsReceiverConfiguration(
        request_num_samples=section.get("requestNumSamples") or DEFAULT_SAMPLES,
        timeout_seconds=section.get("timeoutSeconds") or DEFAULT_RECEIVER_TIMEOUT,
        url=section.get("url") or "",
    )
    secret = section.get("caSecretName")
    if secret and receiver.url.startswith("https"):
        try:
            receiver.ca_cert = _decode_text(
                require_value(source, SECRET, namespace, secret, "ca.crt")
            )
        except BrokenReference as error:
            report("metrics.receiverConfiguration", error)
    return receiver


def _render_component(
    name: ComponentName,
    metrics_section: MetricsSection,
    source: ObjectSource,
    namespace: str,
    report: ReportProblem,
) -> ComponentMetricsConfiguration | None:
    section = metrics_section.get(name)
    if section is None:
        return None
    component = ComponentMetricsConfiguration(
        interval=section.get("interval") or 0, disabled=bool(section.get("disabled"))
    )
    if listed := (section.get("allowList") or {}).get("name"):
        try:
            component.allow_list = render_allow_list(source, namespace, listed)
        except BrokenReference as error:
            report(f"metrics.{name}", error)
    return component


def _decode_text(encoded: str) -> str:
    try:
        return base64.b64decode(encoded).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise BrokenReference("the key 'ca.crt' of the Secret is not text") from error

"""What a configuration must be beyond its form, so that a device can carry it out.

No sentence repeats a value: values may be secret.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

import msgspec
import yaml

from flotta.dns1123 import is_subdomain
from flotta.pod_fields.check import PREFIX, find_refused
from flotta.protocol.json_text import decode_json
from flotta.protocol.models import DeviceConfigurationMessage, Secret, Workload
from flotta.yaml_loader import load_yaml

MAX_WORKLOAD = 100  # characters of a name, as the device worker has it


def find_mistakes(message: DeviceConfigurationMessage, device_id: str) -> list[str]:
    """Return a sentence for each mistake in a message for a device."""
    return [
        *_head(message, device_id),
        *_names("workloads", [workload.name for workload in message.workloads or ()]),
        *_names("secrets", [secret.name for secret in message.secrets or ()]),
        *(
            mistake
            for index, workload in enumerate(message.workloads or ())
            for mistake in _workload(workload, f"workloads[{index}]", message)
        ),
        *(
            mistake
            for index, secret in enumerate(message.secrets or ())
            for mistake in _secret(secret, f"secrets[{index}]")
        ),
    ]


def _head(message: DeviceConfigurationMessage, device_id: str) -> Iterator[str]:
    if message.device_id not in ("", device_id):
        yield f"device_id: it is that of another device; leave it out, or use {device_id}"
    if message.inputs_version is not None:
        yield "inputs_version: it belongs to the resource API; leave it out"
    settings = message.configuration
    s3 = settings.storage.s3 if settings and settings.storage else None
    for field in ("aws_access_key_id", "aws_secret_access_key", "aws_ca_bundle"):
        if s3 is not None and not _is_base64(getattr(s3, field)):
            yield f"configuration.storage.s3.{field}: it is not base64"
    for name, target in ((settings and settings.log_collection) or {}).items():
        if target.kind != "syslog" or target.syslog_config is None:
            yield f"configuration.log-collection.{name}: it needs kind syslog and syslog_config"


def _names(path: str, names: list[str]) -> Iterator[str]:
    for index, name in enumerate(names):
        if not is_subdomain(name) or (path == "workloads" and len(name) > MAX_WORKLOAD):
            yield f"{path}[{index}].name: it must be a name as Kubernetes has them, in lower case"
        elif name in names[:index]:
            yield f"{path}[{index}].name: an item before it has the same name"


def _workload(workload: Workload, path: str, message: DeviceConfigurationMessage) -> Iterator[str]:
    yield from _specification(workload.specification, f"{path}.specification")
    for index, text in enumerate(workload.configmaps or ()):
        if not isinstance(_load(text), dict):
            yield f"{path}.configmaps[{index}]: it is not the YAML of a ConfigMap"
    targets = (message.configuration and message.configuration.log_collection) or {}
    if workload.log_collection and workload.log_collection not in targets:
        yield f"{path}.log_collection: configuration.log-collection has no target of this name"


def _specification(text: str, path: str) -> Iterator[str]:
    spec = _load(text)
    containers = spec.get("containers") if isinstance(spec, dict) else None
    if not isinstance(spec, dict) or not containers or not _are_objects(containers):
        yield f"{path}: it is not the YAML of a PodSpec with containers"
        return
    for field in find_refused(spec):
        yield f"{field.path.replace(PREFIX, path, 1)}: {field.message}"


def _are_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _secret(secret: Secret, path: str) -> Iterator[str]:
    try:
        values = decode_json(secret.data.encode(), dict[str, str])
    except msgspec.DecodeError:
        yield f"{path}.data: it must be an object of texts (key: base64 of the value)"
        return
    for key, value in values.items():
        if not _is_base64(value):
            yield f"{path}.data.{key}: it is not base64"


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _load(text: str) -> object:
    try:
        return load_yaml(text)
    except yaml.YAMLError:
        return None

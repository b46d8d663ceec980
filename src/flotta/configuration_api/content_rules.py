"""What a configuration must be beyond its form, so that a device can carry it out.

No sentence repeats a value: values may be secret.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

import msgspec
import yaml

from flotta.configuration_api.schema_rules import find_violations
from flotta.configuration_api.strict_yaml import describe_error, load_strict_yaml
from flotta.dns1123 import is_subdomain
from flotta.pod_fields.check import PREFIX, find_refused
from flotta.protocol.json_text import decode_json
from flotta.protocol.models import DeviceConfigurationMessage, Secret, Workload

MAX_NUMBER = 2**63 - 1  # that programs in Go decode
MAX_WORKLOAD = 100  # characters of a name, as the device worker has it


def find_mistakes(message: DeviceConfigurationMessage, device_id: str) -> list[str]:
    """Return a sentence for each mistake in a message for a device."""
    return [
        *_head(message, device_id),
        *_numbers(msgspec.to_builtins(message), ""),
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


def _numbers(value: object, path: str) -> Iterator[str]:
    """All numbers of a message are counts, periods, sizes and ports."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _numbers(item, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _numbers(item, f"{path}[{index}]")
    elif isinstance(value, int) and not 0 <= value <= MAX_NUMBER:
        yield f"{path}: it must be a number from 0 to {MAX_NUMBER}"


def _names(path: str, names: list[str]) -> Iterator[str]:
    for index, name in enumerate(names):
        if not is_subdomain(name) or (path == "workloads" and len(name) > MAX_WORKLOAD):
            yield f"{path}[{index}].name: it must be a name as Kubernetes has them, in lower case"
        elif name in names[:index]:
            yield f"{path}[{index}].name: an item before it has the same name"


def _workload(workload: Workload, path: str, message: DeviceConfigurationMessage) -> Iterator[str]:
    yield from _specification(workload, path)
    for index, text in enumerate(workload.configmaps or ()):
        if mistake := _config_map(text):
            yield f"{path}.configmaps[{index}]: it is not the YAML of a ConfigMap{mistake}"
    targets = (message.configuration and message.configuration.log_collection) or {}
    if workload.log_collection and workload.log_collection not in targets:
        yield f"{path}.log_collection: configuration.log-collection has no target of this name"


def _specification(workload: Workload, path: str) -> Iterator[str]:
    place = f"{path}.specification"
    try:
        spec = load_strict_yaml(workload.specification)
    except yaml.YAMLError as error:
        yield f"{place}: it is not the YAML of a PodSpec: {describe_error(error)}"
        return
    if not isinstance(spec, dict) or not spec.get("containers"):
        yield f"{place}: it is not the YAML of a PodSpec with containers"
        return
    violations = list(find_violations(spec, msgspec.to_builtins(workload.data) or {}, path))
    if violations:  # the other rules look at what has the right types
        yield from violations
        return
    for field in find_refused(spec):
        yield f"{field.path.replace(PREFIX, place, 1)}: {field.message}"
    for group in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(group) or ()):
            if not container.get("image"):
                yield f"{place}.{group}[{index}].image: it is missing"


def _config_map(text: str) -> str:
    """Return what is missing from a ConfigMap, "" if a pod can refer to it."""
    try:
        value = load_strict_yaml(text)
    except yaml.YAMLError as error:
        return f": {describe_error(error)}"
    if not isinstance(value, dict) or value.get("kind") != "ConfigMap":
        return " with its kind"
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return "" if isinstance(name, str) and is_subdomain(name) else " with a name in metadata.name"


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

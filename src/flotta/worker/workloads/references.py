"""ConfigMaps and Secrets of a pod, resolved on the device.

Values become plain environment entries and files, because podman's own way differs between its
versions (4.3.1 expects a secret as JSON for the environment but as YAML for a volume, and never
updates a volume made from a ConfigMap), and because a pod that contains its values starts after a
reboot without help. The manifest is 0600. Rules:
docs/reference/device.md#configmaps-secrets-and-environment.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flotta.protocol.json_text import decode_json
from flotta.protocol.models import Secret
from flotta.protocol.reasons.workloads import (
    CONFIG_MAP_NOT_FOUND,
    INVALID_SECRET,
    SECRET_NOT_FOUND,
)
from flotta.worker.errors import WorkloadError
from flotta.worker.workloads.host_names import INVALID, check_key
from flotta.worker.workloads.pod_spec import (
    ConfigMapSource,
    Container,
    EnvFromSource,
    EnvVar,
    KeyReference,
    SecretSource,
    Volume,
    parse_config_map,
)

Values = Mapping[str, bytes]
# By the kind that is referred to.
NOT_FOUND = {"ConfigMap": CONFIG_MAP_NOT_FOUND, "Secret": SECRET_NOT_FOUND}


@dataclass(frozen=True)
class Sources:
    """What a pod may refer to: ConfigMaps of its workload, Secrets of the device."""

    config_maps: Mapping[str, Values] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)

    @classmethod
    def from_message(cls, config_maps: Iterable[str], secrets: Iterable[Secret]) -> Sources:
        """Read the YAML ConfigMaps of a workload and the secrets of the message."""
        return cls(
            dict(_parse_config_map(text) for text in config_maps),
            {secret.name: secret for secret in secrets},
        )

    def read_values(self, kind: str, name: str, *, optional: bool) -> Values:
        """Return the data of a `ConfigMap` or `Secret`.

        Raises WorkloadError if it must exist and does not.
        """
        if kind == "ConfigMap" and name in self.config_maps:
            return self.config_maps[name]
        if kind == "Secret" and name in self.secrets:
            return decode_secret(self.secrets[name])
        if optional:
            return {}
        raise WorkloadError(NOT_FOUND[kind], f'{kind} "{name}" does not exist', permanent=True)


def _parse_config_map(text: str) -> tuple[str, Values]:
    document = parse_config_map(text)
    name = str((document.get("metadata") or {}).get("name") or "")
    plain = {key: str(value).encode() for key, value in (document.get("data") or {}).items()}
    binary = (document.get("binaryData") or {}).items()
    values = plain | {key: base64.b64decode(value) for key, value in binary}
    return name, {check_key("ConfigMap", name, str(key)): value for key, value in values.items()}


def resolve_environment(container: Container, sources: Sources) -> list[EnvVar]:
    """Return the container's `env` with `envFrom` and references replaced by their values.

    Raises WorkloadError for a missing reference that is not optional, and for a value that is not
    text.
    """
    resolved: dict[str, EnvVar] = {}
    for source in container.get("envFrom") or []:
        for name, value in _resolve_source(source, sources).items():
            resolved[name] = {"name": name, "value": value}
    for variable in container.get("env") or []:
        entry = _resolve_entry(variable, sources)
        if entry:
            resolved[entry["name"]] = entry
    return list(resolved.values())


def _resolve_source(source: EnvFromSource, sources: Sources) -> dict[str, str]:
    for kind, reference in (
        ("ConfigMap", source.get("configMapRef")),
        ("Secret", source.get("secretRef")),
    ):
        if reference:
            optional = bool(reference.get("optional"))
            values = sources.read_values(kind, str(reference.get("name")), optional=optional)
            prefix = source.get("prefix") or ""
            return {prefix + key: _decode_text(kind, key, value) for key, value in values.items()}
    return {}


def _resolve_entry(variable: EnvVar, sources: Sources) -> EnvVar | None:
    """Return a variable with its value; None when it refers to something optional that is absent.

    A reference to a field of the pod stays for podman.
    """
    origin = variable.get("valueFrom") or {}
    for kind, reference in (
        ("ConfigMap", origin.get("configMapKeyRef")),
        ("Secret", origin.get("secretKeyRef")),
    ):
        if reference:
            value = _resolve_key(kind, reference, sources)
            return None if value is None else {"name": variable["name"], "value": value}
    return variable


def _resolve_key(kind: str, reference: KeyReference, sources: Sources) -> str | None:
    name, key = str(reference.get("name")), str(reference.get("key"))
    optional = bool(reference.get("optional"))
    values = sources.read_values(kind, name, optional=optional)
    if key in values:
        return _decode_text(kind, key, values[key])
    if optional:
        return None
    raise WorkloadError(NOT_FOUND[kind], f'{kind} "{name}" has no key "{key}"', permanent=True)


def _decode_text(kind: str, key: str, value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise WorkloadError(
            INVALID[kind],
            f'key "{key}" is not text, so it cannot be an environment variable',
            permanent=True,
        )
    return text


def read_volume(volume: Volume, sources: Sources) -> dict[str, bytes] | None:
    """Return path → content of a `configMap` or `secret` volume, None for other volumes.

    Raises WorkloadError for a missing object that is not optional. The paths are not checked.
    """
    config_map, secret = volume.get("configMap"), volume.get("secret")
    if config_map is not None:
        return _read_items("ConfigMap", str(config_map.get("name")), config_map, sources)
    if secret is not None:
        return _read_items("Secret", str(secret.get("secretName")), secret, sources)
    return None


def _read_items(
    kind: str, name: str, source: ConfigMapSource | SecretSource, sources: Sources
) -> dict[str, bytes]:
    optional = bool(source.get("optional"))
    values = sources.read_values(kind, name, optional=optional)
    chosen = source.get("items")
    if not chosen:
        return dict(values)
    missing = [item["key"] for item in chosen if item["key"] not in values]
    if missing and not optional:
        raise WorkloadError(
            NOT_FOUND[kind], f'{kind} "{name}" has no key "{missing[0]}"', permanent=True
        )
    return {item["path"]: values[item["key"]] for item in chosen if item["key"] in values}


def decode_secret(secret: Secret) -> dict[str, bytes]:
    """Return key → value of a secret; raises WorkloadError when its data is malformed."""
    try:
        data = decode_json((secret.data or "{}").encode(), dict[str, str])
        return {
            check_key("Secret", secret.name, key): base64.b64decode(value, validate=True)
            for key, value in data.items()
        }
    except (ValueError, TypeError, AttributeError, binascii.Error) as error:
        raise WorkloadError(
            INVALID_SECRET, f'Secret "{secret.name}" is malformed', permanent=True
        ) from error

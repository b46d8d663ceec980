"""ConfigMaps and Secrets of a pod, resolved on the device.

Values become plain variables (`environment`) and files, because podman's own way differs between
its versions (4.3.1 expects a secret as JSON for the environment but as YAML for a volume, and never
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
from flotta.worker.workloads.host_names import check_key
from flotta.worker.workloads.pod_spec import (
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

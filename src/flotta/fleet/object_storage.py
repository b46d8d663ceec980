"""Which bucket a device synchronises with, and with what credentials.

A bound bucket claim (`status.dataObc`) wins over external storage named in the spec. The values
come from a ConfigMap and a Secret; the claim's have the claim's name (control-plane specification 4.6).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flotta.protocol.models import S3StorageConfiguration
from flotta.resources.kinds import CONFIG_MAP, SECRET

from .references import BrokenReference, Source, required_value

DEFAULT_REGION = "us-east-1"
DEFAULT_PORT = 443


@dataclass(frozen=True)
class _Origin:
    """Names of the two objects, and whether port and region may be left out in them."""

    config_map: str
    secret: str
    complete: bool


def storage(
    device: Mapping[str, Any], spec: Mapping[str, Any], source: Source
) -> S3StorageConfiguration | None:
    """Return the device's storage, None when none is wanted; BrokenReference when it cannot be resolved."""
    origin = _origin(device, spec)
    if origin is None:
        return None
    namespace = device["metadata"]["namespace"]

    def value(key: str, default: str | None = None) -> str:
        return _value(source, namespace, origin.config_map, key, default)

    def secret(key: str) -> str:
        return required_value(source, SECRET, namespace, origin.secret, key).strip()

    return S3StorageConfiguration(
        bucket_name=value("BUCKET_NAME"),
        bucket_host=value("BUCKET_HOST"),
        bucket_port=_port(value("BUCKET_PORT", None if origin.complete else str(DEFAULT_PORT))),
        bucket_region=value("BUCKET_REGION", None if origin.complete else DEFAULT_REGION),
        aws_access_key_id=secret("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=secret("AWS_SECRET_ACCESS_KEY"),
        aws_ca_bundle=_optional_secret(source, namespace, origin.secret, "tls.crt"),
    )


def _origin(device: Mapping[str, Any], spec: Mapping[str, Any]) -> _Origin | None:
    claim = (device.get("status") or {}).get("dataObc")
    if claim:
        return _Origin(claim, claim, complete=False)
    s3 = (spec.get("storage") or {}).get("s3") or {}
    if not s3.get("configMapName") and not s3.get("secretName"):
        return None
    if not s3.get("configMapName") or not s3.get("secretName"):
        raise BrokenReference("storage.s3 needs both configMapName and secretName")
    return _Origin(s3["configMapName"], s3["secretName"], complete=True)


def _value(source: Source, namespace: str, name: str, key: str, default: str | None) -> str:
    try:
        found = required_value(source, CONFIG_MAP, namespace, name, key)
    except BrokenReference:
        if default is None or source.lookup(CONFIG_MAP, namespace, name) is None:
            raise
        return default
    if not found and default is None:
        raise BrokenReference(f"ConfigMap {name!r}: {key} is empty")
    return found or (default or "")


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise BrokenReference(f"BUCKET_PORT is {text!r}, not a port number")
    return int(text)


def _optional_secret(source: Source, namespace: str, name: str, key: str) -> str:
    found = source.lookup(SECRET, namespace, name) or {}
    value: str = (found.get("data") or {}).get(key, "")
    return value.strip()

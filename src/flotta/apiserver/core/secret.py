"""The rules of Secrets (core/v1): write-only stringData, typed contents, immutability."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable

from flotta.apiserver.core.schema import CoreSchema
from flotta.apiserver.errors import Cause, forbidden_value, invalid_value, required, too_long
from flotta.apiserver.json_object import JsonObject
from flotta.apiserver.names import data_key_problem

MAX_DATA = 1024 * 1024  # bytes of all decoded values (Kubernetes' MaxSecretSize)
ACCOUNT_TOKEN = "kubernetes.io/service-account-token"  # noqa: S105 - a type of Secret
ACCOUNT = "kubernetes.io/service-account.name"
REQUIRED_KEYS = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
}
JSON_KEYS = {
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
    "kubernetes.io/dockercfg": ".dockercfg",
}

SCHEMA = CoreSchema("io.k8s.api.core.v1.Secret")


def normalize(secret: JsonObject, _old: JsonObject | None) -> None:
    """Merge stringData over data and set the default type."""
    texts = secret.pop("stringData", {})
    data = secret.setdefault("data", {})
    data.update({key: base64.b64encode(text.encode()).decode() for key, text in texts.items()})
    if not data:
        del secret["data"]
    secret["type"] = secret.get("type") or "Opaque"


def validate(new: JsonObject, old: JsonObject | None) -> Iterable[Cause]:
    """Return what is wrong with the data, by its type, or with a change."""
    data = new.get("data", {})
    yield from validate_keys("data", data)
    if decoded_size(data) > MAX_DATA:
        yield too_long("data", MAX_DATA)
    yield from _validate_type(new["type"], data)
    if new["type"] == ACCOUNT_TOKEN and not new["metadata"].get("annotations", {}).get(ACCOUNT):
        yield required(f"metadata.annotations[{ACCOUNT}]")
    if old is None:
        return
    if new["type"] != old["type"]:
        yield invalid_value("type", new["type"], "field is immutable")
    yield from validate_immutable(new, old, ("data",))


def decoded_size(data: dict[str, str]) -> int:
    """Return the size of all decoded values in bytes."""
    return sum(len(value) // 4 * 3 - value[-2:].count("=") for value in data.values())


def validate_keys(field: str, data: JsonObject) -> Iterable[Cause]:
    """Return the causes for keys that Kubernetes does not allow."""
    for key in data:
        problem = data_key_problem(key)
        if problem:
            yield invalid_value(f"{field}[{key}]", key, problem)


def validate_immutable(
    new: JsonObject, old: JsonObject, fields: tuple[str, ...]
) -> Iterable[Cause]:
    """Return the changes that a Secret or ConfigMap with `immutable: true` refuses."""
    if not old.get("immutable"):
        return
    text = "field is immutable when `immutable` is set"
    if not new.get("immutable"):
        yield forbidden_value("immutable", text)
    for field in fields:
        if new.get(field, {}) != old.get(field, {}):
            yield forbidden_value(field, text)


def _validate_type(kind: str, data: dict[str, str]) -> Iterable[Cause]:
    missing = [key for key in REQUIRED_KEYS.get(kind, ()) if key not in data]
    yield from (required(f"data[{key}]") for key in missing)
    if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & set(data):
        yield from (required(f"data[{key}]") for key in ("username", "password"))
    key = JSON_KEYS.get(kind)
    if key in data and not _is_json(data[key]):
        yield invalid_value(
            f"data[{key}]", "<secret contents redacted>", "invalid character in JSON"
        )


def _is_json(encoded: str) -> bool:
    try:
        json.loads(base64.b64decode(encoded))
    except (ValueError, RecursionError):  # nested too deeply
        return False
    return True


def find_warnings(secret: JsonObject) -> list[str]:
    """Return a warning if a TLS Secret has no PEM certificate; Kubernetes accepts it, too."""
    if secret["type"] != "kubernetes.io/tls":
        return []
    certificate = base64.b64decode(secret.get("data", {}).get("tls.crt", ""))
    if b"-----BEGIN" in certificate:
        return []
    return ["tls: failed to find any PEM data in certificate input"]

"""Credentials for registries: `imagePullSecrets` of the pod beside those of the workload.

Formats: https://kubernetes.io/docs/tasks/configure-pod-container/pull-image-private-registry/ and
containers-auth.json(5), which podman reads. What is not there or cannot be read is skipped, as in
Kubernetes: the image may need none. If the pull fails, its message says what was skipped.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from flotta.worker.errors import WorkloadError
from flotta.worker.workloads.pod_spec import PodSpec, list_containers
from flotta.worker.workloads.references import Sources

CONFIG, OLD_CONFIG = ".dockerconfigjson", ".dockercfg"  # keys of the two types of Secret
DOCKER_HUB = "docker.io"
NAMES_OF_DOCKER_HUB = frozenset({"index.docker.io", "registry-1.docker.io", DOCKER_HUB})
Entries = Mapping[str, Any]  # registry → credentials, of a Secret: any JSON


@dataclass(frozen=True)
class RegistryAuth:
    """The content of `auth.json`, None without credentials, and what was skipped, as clauses."""

    content: bytes | None = None
    skipped: tuple[str, ...] = ()


def collect_auth(own: str, spec: PodSpec, sources: Sources) -> RegistryAuth:
    """Return the credentials of a pod.

    `own` is the auth.json of the workload's `imageRegistries`, empty for none: its entries count
    before those of the pod, of which the first for a registry counts.
    """
    names = [str(secret.get("name") or "") for secret in spec.get("imagePullSecrets") or []]
    if not names:
        return RegistryAuth(own.encode() or None)
    hosts = {_host_of(container["image"]) for container in list_containers(spec)}
    auths: dict[str, Any] = {}
    skipped: list[str] = []
    for name in names:
        try:
            for key, entry in _read_entries(_read_secret(name, sources), hosts):
                auths.setdefault(key, entry)
        except ValueError as error:
            skipped.append(f'imagePullSecrets: Secret "{name[:80]}" {error}')
    return RegistryAuth(_merge(own, auths), tuple(skipped))


def _read_secret(name: str, sources: Sources) -> Entries:
    """Return the entries of a Secret; raises ValueError with what is wrong, as a clause."""
    try:
        values = sources.read_values("Secret", name, optional=True)
    except WorkloadError as error:
        raise ValueError("is malformed") from error
    if not values:
        raise ValueError("does not exist")
    text = values.get(CONFIG) or values.get(OLD_CONFIG)
    if text is None:
        raise ValueError(f"has neither {CONFIG} nor {OLD_CONFIG}")
    try:
        document = json.loads(text)
        found = document["auths"] if CONFIG in values else document
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError("is not the JSON of a registry's credentials") from error
    if not isinstance(found, dict):
        raise ValueError("is not the JSON of a registry's credentials")
    return found


def _read_entries(entries: Entries, hosts: Iterable[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield registries as podman names them, and the credentials for each.

    A name with `*` becomes those of the pod's registries that it matches: podman knows none.
    """
    for name, given in entries.items():
        entry = _read_entry(given)
        host, slash, path = _normalise(name).partition("/")
        if not entry or not host:
            continue
        matching = [known for known in hosts if _matches(host, known)] if "*" in host else [host]
        for known in matching:
            yield f"{known}{slash}{path}", entry


def _read_entry(given: object) -> dict[str, str]:
    """Return credentials as podman reads them: it knows no user name and password of their own."""
    if not isinstance(given, dict):
        return {}
    entry = {key: str(given[key]) for key in ("auth", "identitytoken") if given.get(key)}
    if "auth" not in entry and given.get("username"):
        pair = f"{given['username']}:{given.get('password') or ''}"
        entry["auth"] = base64.b64encode(pair.encode()).decode()
    return entry


def _normalise(name: str) -> str:
    """Return a registry without scheme and version of its protocol, as podman names it."""
    host, _, path = (
        name.partition("://")[2].partition("/") if "://" in name else name.partition("/")
    )
    parts = [part for part in path.split("/") if part]
    if parts[:1] in (["v1"], ["v2"]):
        parts = parts[1:]
    return "/".join([DOCKER_HUB if host in NAMES_OF_DOCKER_HUB else host, *parts])


def _matches(pattern: str, host: str) -> bool:
    """Tell whether a host matches a pattern, part by part between dots, as in Kubernetes."""
    wanted, parts = pattern.split("."), host.split(".")
    return len(wanted) == len(parts) and all(map(fnmatchcase, parts, wanted))


def _host_of(image: str) -> str:
    """Return the registry of an image, with its port."""
    first, slash, _ = image.partition("/")
    is_host = slash and ("." in first or ":" in first or first == "localhost")
    return first if is_host and first not in NAMES_OF_DOCKER_HUB else DOCKER_HUB


def _merge(own: str, auths: dict[str, Any]) -> bytes | None:
    try:
        document = json.loads(own or "{}")
        merged = {**document, "auths": auths | document.get("auths", {})}
    except (ValueError, TypeError, AttributeError, RecursionError):
        return own.encode()  # podman says what is wrong with it
    return json.dumps(merged, sort_keys=True).encode() if merged["auths"] else None

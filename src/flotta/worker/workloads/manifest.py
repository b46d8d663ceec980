"""The manifest that podman plays: one Pod made from the workload's specification.

What is changed, added and passed through: docs/reference/device.md#the-pod.
"""

from __future__ import annotations

import copy
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from flotta.dns1123 import is_subdomain
from flotta.protocol.models import DataConfiguration, Secret, Workload
from flotta.protocol.reasons.workloads import INVALID_NAME
from flotta.worker.errors import WorkloadError
from flotta.worker.podman import DIGEST_LABEL, WORKLOAD_LABEL
from flotta.worker.workloads.host_names import check_host_names, check_relative
from flotta.worker.workloads.pod_facts import DeviceFacts, PodFacts
from flotta.worker.workloads.pod_spec import (
    Container,
    HostPath,
    PodSpec,
    Volume,
    invalid_specification,
    list_containers,
    parse_pod_spec,
)
from flotta.worker.workloads.references import Sources, read_volume, resolve_environment

MAX_NAME = 100  # characters; the path of the manifest, escaped, must fit into a unit name
DEFAULT_GRACE = 10  # seconds, as podman has it
MAX_GRACE = 3600  # seconds
DIGEST_LENGTH = 16  # hexadecimal digits


@dataclass(frozen=True)
class WorkloadPaths:
    """Host paths of one workload."""

    directory: Path
    export: Path

    @property
    def manifest(self) -> Path:
        """What podman plays; it contains secrets."""
        return self.directory / "pod.yaml"

    @property
    def auth_file(self) -> Path:
        """Credentials for registries, if the workload has any."""
        return self.directory / "auth.json"


@dataclass(frozen=True)
class Pod:
    """A pod as it should run: manifest, digest of all that defines it, files that it needs."""

    name: str
    manifest: bytes
    digest: str
    images: tuple[str, ...]
    always_pull: tuple[str, ...]
    never_pull: tuple[str, ...]
    restart_policy: str
    grace: int  # seconds between SIGTERM and SIGKILL
    auth: bytes | None = None
    data: DataConfiguration | None = None
    files: dict[PurePosixPath, bytes] = field(default_factory=dict)  # below the directory


def is_name(name: str) -> bool:
    """Tell whether a workload may have this name: paths and the name of a unit contain it."""
    return is_subdomain(name) and len(name) <= MAX_NAME


def check_name(name: str) -> None:
    """Raise WorkloadError for a name that no workload may have."""
    if not is_name(name):
        raise WorkloadError(
            INVALID_NAME,
            f"{name[:80]!r} is not a DNS-1123 name of at most {MAX_NAME} characters",
            permanent=True,
        )


def build_pod(
    workload: Workload, secrets: list[Secret], device: DeviceFacts, paths: WorkloadPaths
) -> Pod:
    """Return the pod of a workload.

    `secrets` are all of `device`, `paths` those of this workload. Raises WorkloadError when the
    specification cannot work, and Python's own errors for one of an unexpected shape.
    """
    check_name(workload.name)
    facts = PodFacts.from_workload(workload, device)
    spec = parse_pod_spec(workload.specification)
    check_host_names(spec)
    sources = Sources.from_message(workload.configmaps or [], secrets)
    for container in list_containers(spec):
        _complete_container(container, sources, facts)
    policies = _pull_policies(spec)
    files = _project_volumes(spec, sources, paths)
    _add_export(spec, workload.name, paths)
    auth = workload.image_registries.auth_file.encode() if workload.image_registries else b""
    return _make_pod(workload, spec, policies, files, auth or None)


def _complete_container(container: Container, sources: Sources, facts: PodFacts) -> None:
    """Resolve references, add DEVICE_ID, keep only ports with a `hostPort`.

    podman 4.3.1 would publish a port without `hostPort` under its own number.
    """
    environment = resolve_environment(container, sources)
    others = [entry for entry in environment if entry.get("name") != "DEVICE_ID"]
    container["env"] = [*others, {"name": "DEVICE_ID", "value": facts.device.device_id}]
    container.pop("envFrom", None)
    ports = [port for port in container.pop("ports", None) or [] if port.get("hostPort")]
    for port in ports:
        port.setdefault("containerPort", port["hostPort"])
    if ports:
        container["ports"] = ports


def _pull_policies(spec: PodSpec) -> dict[str, str]:
    """Return image → pull policy and leave to podman only what works without a network.

    `Always` is carried out once, when the workload is applied: a reboot without a network must not
    stop a pod (docs/reference/device.md#images).
    """
    policies: dict[str, str] = {}
    for container in list_containers(spec):
        policy = container.get("imagePullPolicy") or "IfNotPresent"
        container["imagePullPolicy"] = "Never" if policy == "Never" else "IfNotPresent"
        policies[container["image"]] = policy
    return policies


def _project_volumes(
    spec: PodSpec, sources: Sources, paths: WorkloadPaths
) -> dict[PurePosixPath, bytes]:
    """Turn ConfigMap and Secret volumes into directories of files, mounted read-only.

    Returns the files, relative to the workload's directory.
    """
    files: dict[PurePosixPath, bytes] = {}
    volumes: list[Volume] = []
    for volume in spec.get("volumes") or []:
        content = read_volume(volume, sources)
        if content is None:
            volumes.append(volume)
            continue
        name = volume["name"]
        # With the digest in the path, another value makes another pod.
        folder = PurePosixPath("files") / _compute_digest(_serialize_files(content)) / name
        files |= {_inside(folder / check_relative(path)): data for path, data in content.items()}
        if not content:
            files[folder / ".empty"] = b""
        host_path: HostPath = {"path": str(paths.directory / folder), "type": "Directory"}
        volumes.append({"name": name, "hostPath": host_path})
        _mount_read_only(spec, name)
    if volumes:
        spec["volumes"] = volumes
    return files


def _serialize_files(content: dict[str, bytes]) -> bytes:
    return json.dumps({path: data.hex() for path, data in content.items()}, sort_keys=True).encode()


def _inside(path: PurePosixPath) -> PurePosixPath:
    """Return a path below the workload's directory, whatever it was put together from."""
    if path.is_absolute() or ".." in path.parts:
        raise invalid_specification(f"{str(path)[:80]!r} is not inside the workload's directory")
    return path


def _mount_read_only(spec: PodSpec, volume: str) -> None:
    for container in list_containers(spec):
        for mount in container.get("volumeMounts") or []:
            if mount.get("name") == volume:
                mount["readOnly"] = True


def _add_export(spec: PodSpec, name: str, paths: WorkloadPaths) -> None:
    volume = f"export-{name}"
    host_path: HostPath = {"path": str(paths.export), "type": "DirectoryOrCreate"}
    others = [other for other in spec.get("volumes") or [] if other.get("name") != volume]
    spec["volumes"] = [*others, {"name": volume, "hostPath": host_path}]
    for container in spec["containers"]:
        mounts = container.get("volumeMounts") or []
        kept = [mount for mount in mounts if mount.get("mountPath", "").rstrip("/") != "/export"]
        container["volumeMounts"] = [*kept, {"name": volume, "mountPath": "/export"}]


def _make_pod(
    workload: Workload,
    spec: PodSpec,
    policies: dict[str, str],
    files: dict[PurePosixPath, bytes],
    auth: bytes | None,
) -> Pod:
    labels = dict(workload.labels or {}) | {WORKLOAD_LABEL: workload.name}
    metadata: dict[str, object] = {"name": workload.name, "labels": labels}
    if workload.annotations:
        metadata["annotations"] = dict(workload.annotations)
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": copy.deepcopy(spec)}
    try:
        digest = _compute_digest(json.dumps([pod, policies], sort_keys=True).encode())
    except TypeError as error:
        raise invalid_specification(
            f"the pod specification has a value that JSON cannot represent: {error}"
        ) from error
    labels[DIGEST_LABEL] = digest
    return Pod(
        name=workload.name,
        manifest=json.dumps(pod, indent=1).encode() + b"\n",
        digest=digest,
        images=tuple(policies),
        always_pull=tuple(image for image, policy in policies.items() if policy == "Always"),
        never_pull=tuple(image for image, policy in policies.items() if policy == "Never"),
        restart_policy=str(spec.get("restartPolicy") or "Always"),
        grace=_read_grace_period(spec),
        auth=auth,
        data=workload.data,
        files=files,
    )


def _read_grace_period(spec: PodSpec) -> int:
    """Return the seconds between SIGTERM and SIGKILL, the default for an unusable value."""
    seconds = spec.get("terminationGracePeriodSeconds")
    return seconds if isinstance(seconds, int) and 0 <= seconds <= MAX_GRACE else DEFAULT_GRACE


def _compute_digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:DIGEST_LENGTH]

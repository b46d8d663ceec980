"""The manifest that podman plays: one Pod made from the workload's specification.

What is changed, added and passed through: docs/reference/device.md#the-pod.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace

import msgspec

from flotta.dns1123 import is_subdomain
from flotta.mount_points import find_needed
from flotta.protocol.models import DataConfiguration, Secret, Workload
from flotta.protocol.reasons.workloads import INVALID_NAME
from flotta.worker.errors import WorkloadError
from flotta.worker.pod_unit.plan import ProcessPlan, encode_plan
from flotta.worker.podman import DIGEST_LABEL, WORKLOAD_LABEL
from flotta.worker.probes.probe import ContainerProbes
from flotta.worker.workloads.environment import complete_environment
from flotta.worker.workloads.hooks import Hooks, read_hooks
from flotta.worker.workloads.host_names import check_host_names
from flotta.worker.workloads.name_servers import leave_out_domains_of_device
from flotta.worker.workloads.non_root import list_user_checks
from flotta.worker.workloads.pod_documents import (
    Document,
    has_addresses,
    list_init_containers,
    protect_commands,
    serialize,
    split_pod,
)
from flotta.worker.workloads.pod_facts import DeviceFacts, PodFacts, PodmanVersion
from flotta.worker.workloads.pod_probes import take_probes
from flotta.worker.workloads.pod_spec import (
    Container,
    PodSpec,
    invalid_specification,
    list_containers,
    parse_pod_spec,
)
from flotta.worker.workloads.pod_volumes import PodVolumes, render_volumes
from flotta.worker.workloads.references import Sources
from flotta.worker.workloads.refused_fields import check_fields
from flotta.worker.workloads.registry_auth import collect_auth
from flotta.worker.workloads.seccomp import list_seccomp_annotations
from flotta.worker.workloads.workload_paths import WorkloadPaths

MAX_NAME = 100  # characters; the path of the manifest, escaped, must fit into a unit name
PULL_POLICIES = ("Never", "IfNotPresent", "Always")
DEFAULT_GRACE = 10  # seconds, as podman has it
DIGEST_LENGTH = 16  # hexadecimal digits
NO_PLAN = ProcessPlan("")


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
    skipped_auth: tuple[str, ...] = ()  # clauses for the message of a failed pull
    data: DataConfiguration | None = None
    init_manifest: bytes | None = None
    process: ProcessPlan = NO_PLAN
    volumes: PodVolumes = field(default_factory=PodVolumes)
    probes: tuple[ContainerProbes, ...] = ()
    mounts: tuple[str, ...] = ()  # mount points that its export directory needs

    @property
    def rendering(self) -> str:
        """Digest of how the unit gets the pod, which can change while the pod stays the same."""
        parts = (self.manifest, self.init_manifest or b"", encode_plan(self.process))
        return _compute_digest(b"\0".join(parts))


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
    check_fields(spec, facts)
    check_host_names(spec)
    sources = Sources.from_message(workload.configmaps or [], secrets)
    probes = take_probes(spec, _read_grace_period(spec))
    complete_environment(spec, sources, facts)
    hooks = Hooks(read_hooks(spec, "postStart"), read_hooks(spec, "preStop"))
    for container in list_containers(spec):
        _keep_published_ports(container)
    leave_out_domains_of_device(spec)
    policies = _pull_policies(spec)
    volumes = render_volumes(spec, sources, paths, facts)
    own = workload.image_registries.auth_file if workload.image_registries else ""
    auth = collect_auth(own, spec, sources)
    pod = _make_pod(workload, spec, policies, volumes, probes, hooks, device.podman_version)
    mounts = tuple(find_needed(device.mounts, str(paths.export)))
    return replace(pod, auth=auth.content, skipped_auth=auth.skipped, mounts=mounts)


def _keep_published_ports(container: Container) -> None:
    """Keep only ports with a `hostPort`.

    podman 4.3.1 would publish a port without `hostPort` under its own number.
    """
    ports = [port for port in container.pop("ports", None) or [] if port.get("hostPort")]
    for port in ports:
        port.setdefault("containerPort", port["hostPort"])
    if ports:
        container["ports"] = ports


def _pull_policies(spec: PodSpec) -> dict[str, str]:
    """Return image → pull policy and leave to podman only what works without a network.

    `Always` is carried out once, when the workload is applied: a reboot without a network must not
    stop a pod (docs/reference/device.md#images). Of several for one image, the one counts that
    fetches it most often: each container gets what it asks for.
    """
    policies: dict[str, str] = {}

    def add(image: str, policy: str) -> None:
        policies[image] = max(policies.get(image, policy), policy, key=PULL_POLICIES.index)

    for container in list_containers(spec):
        policy = container.get("imagePullPolicy") or "IfNotPresent"
        container["imagePullPolicy"] = "Never" if policy == "Never" else "IfNotPresent"
        add(container["image"], policy)
    for source in filter(None, (volume.get("image") for volume in spec.get("volumes") or [])):
        policy = source.get("pullPolicy") or "IfNotPresent"
        source["pullPolicy"] = "Never" if policy == "Never" else "IfNotPresent"
        add(source["reference"], policy)
    return policies


def _make_pod(
    workload: Workload,
    spec: PodSpec,
    policies: dict[str, str],
    volumes: PodVolumes,
    probes: tuple[ContainerProbes, ...],
    hooks: Hooks,
    podman: PodmanVersion,
) -> Pod:
    labels = dict(workload.labels or {}) | {WORKLOAD_LABEL: workload.name}
    metadata: Document = {"name": workload.name, "labels": labels}
    if annotations := dict(workload.annotations or {}) | list_seccomp_annotations(spec):
        metadata["annotations"] = annotations
    pod: Document = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    # Without probes, what defines a pod is what it was before the worker knew them.
    probed = [msgspec.to_builtins(probes)] if probes else []
    digest = _digest_parts(pod, policies, *volumes.identity, *probed)
    labels[DIGEST_LABEL] = digest
    played, initial = split_pod(protect_commands(pod, podman))
    return Pod(
        name=workload.name,
        manifest=serialize(played),
        digest=digest,
        images=tuple(policies),
        always_pull=tuple(image for image, policy in policies.items() if policy == "Always"),
        never_pull=tuple(image for image, policy in policies.items() if policy == "Never"),
        restart_policy=_read_restart_policy(spec),
        grace=_read_grace_period(spec),
        init_manifest=serialize(initial) if initial else None,
        process=_plan_process(pod, spec, hooks),
        data=workload.data,
        volumes=volumes,
        probes=probes,
    )


def _digest_parts(*parts: object) -> str:
    try:
        return _compute_digest(json.dumps(parts, sort_keys=True).encode())
    except TypeError as error:
        raise invalid_specification(
            f"the pod specification has a value that JSON cannot represent: {error}"
        ) from error


def _plan_process(pod: Document, spec: PodSpec, hooks: Hooks) -> ProcessPlan:
    return ProcessPlan(
        workload=pod["metadata"]["name"],
        init_containers=list_init_containers(pod),
        restart_policy=_read_restart_policy(spec),
        grace=_read_grace_period(spec),
        is_addressed=has_addresses(pod),
        host_network=bool(spec.get("hostNetwork")),
        post_start=hooks.post_start,
        pre_stop=hooks.pre_stop,
        non_root=list_user_checks(spec),
    )


def _read_restart_policy(spec: PodSpec) -> str:
    return str(spec.get("restartPolicy") or "Always")


def _read_grace_period(spec: PodSpec) -> int:
    """Return the seconds between SIGTERM and SIGKILL, the default for an unusable value."""
    seconds = spec.get("terminationGracePeriodSeconds")
    return seconds if isinstance(seconds, int) and seconds >= 0 else DEFAULT_GRACE


def _compute_digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:DIGEST_LENGTH]

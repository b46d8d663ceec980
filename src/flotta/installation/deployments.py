"""The Deployments of operator and Edge API, and the PodDisruptionBudget."""

from __future__ import annotations

from flotta.installation import kinds, names
from flotta.installation.configuration import (
    REMOTE_CA_FOLDER,
    S3_FOLDER,
    has_remote_ca,
    settings_checksum,
)
from flotta.installation.metadata import new_object, selector_labels
from flotta.installation.objects import (
    Deployment,
    PodDisruptionBudget,
    ProgramContainer,
    ProgramPodSpec,
)
from flotta.installation.options import Resources
from flotta.installation.settings import Installation
from flotta.own_names import DEVICE_PORT, EDGE_API, OPERATOR
from flotta.resources.objects.meta import Manifest, Resource

USER = 65532  # user and group id of the image's user
CHECKSUM = "flotta.project-flotta.io/configuration"
# A stopping Edge API keeps serving for DRAIN_SECONDS, then answers the requests it holds (its
# SHUTDOWN_TIMEOUT) and writes the presence of devices.
GRACE_SECONDS = 30  # seconds from SIGTERM to SIGKILL


def render_deployments(installation: Installation) -> list[Resource]:
    """Return the Deployments, and the budget that keeps one Edge API running in maintenance."""
    rendered: list[Resource] = []
    if OPERATOR in installation.programs:
        rendered.append(_render_operator(installation))
    if EDGE_API in installation.programs:
        rendered += [_render_edge_api(installation), *_render_budgets(installation)]
    return rendered


def _render_operator(installation: Installation) -> Deployment:
    mounts: list[Manifest] = []
    volumes: list[Manifest] = []
    if installation.provisioner is not None:
        mounts.append({"name": "s3", "mountPath": S3_FOLDER, "readOnly": True})
        secret = {"secretName": names.S3_SECRET, "defaultMode": 0o440}
        volumes.append({"name": "s3", "secret": secret})
    container = _render_container(
        installation,
        OPERATOR,
        names.OPERATOR_CONFIG,
        installation.operator_resources,
        {"metrics": names.METRICS_PORT, "probes": names.PROBE_PORT},
        "probes",
        mounts,
    )
    return _render_deployment(
        installation, OPERATOR, installation.operator_replicas, container, volumes
    )


def _render_edge_api(installation: Installation) -> Deployment:
    mounts: list[Manifest] = []
    volumes: list[Manifest] = []
    if has_remote_ca(installation):
        mounts.append({"name": "store", "mountPath": REMOTE_CA_FOLDER, "readOnly": True})
        volumes.append({"name": "store", "configMap": {"name": names.REMOTE_CA_CONFIG}})
    container = _render_container(
        installation,
        EDGE_API,
        names.EDGE_API_CONFIG,
        installation.edge_api_resources,
        {"devices": DEVICE_PORT, "metrics": names.METRICS_PORT},
        "metrics",
        mounts,
    )
    return _render_deployment(
        installation, EDGE_API, installation.edge_api_replicas, container, volumes
    )


def _render_deployment(
    installation: Installation,
    name: str,
    replicas: int,
    container: ProgramContainer,
    volumes: list[Manifest],
) -> Deployment:
    annotations = {CHECKSUM: settings_checksum(installation, name)}
    deployment = new_object(installation, kinds.DEPLOYMENT, name, name)
    deployment["spec"] = {
        "replicas": replicas,
        "revisionHistoryLimit": 3,
        "progressDeadlineSeconds": 600,
        "selector": {"matchLabels": selector_labels(name)},
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
        },
        "template": {
            "metadata": {"labels": selector_labels(name), "annotations": annotations},
            "spec": _render_pod(installation, name, container, volumes),
        },
    }
    return deployment


def _render_pod(
    installation: Installation,
    name: str,
    container: ProgramContainer,
    volumes: list[Manifest],
) -> ProgramPodSpec:
    pod: ProgramPodSpec = {
        "serviceAccountName": name,
        "automountServiceAccountToken": True,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
            **_pod_user(installation),
        },
        "affinity": _anti_affinity(name),
        "topologySpreadConstraints": [_topology_spread(name)],
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}, *volumes],
    }
    if installation.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": item} for item in installation.image_pull_secrets]
    return pod


def _pod_user(installation: Installation) -> dict[str, int]:
    if installation.assigned_users:
        return {}  # OpenShift chooses them, and refuses pods that do so
    return {"runAsUser": USER, "runAsGroup": USER, "fsGroup": USER}


def _render_container(
    installation: Installation,
    name: str,
    config: str,
    resources: Resources,
    ports: dict[str, int],
    probed: str,
    mounts: list[Manifest],
) -> ProgramContainer:
    """Return the container; `ports` are by name, `probed` is the name of the port for probes."""
    return {
        "name": name.removeprefix("flotta-"),
        "image": installation.image,
        "imagePullPolicy": installation.image_pull_policy,
        "command": [name],
        "envFrom": [{"configMapRef": {"name": config}}],
        "env": [{"name": "FLOTTA_NAMESPACE", "value": installation.namespace}],
        "ports": [
            {"name": key, "containerPort": port, "protocol": "TCP"} for key, port in ports.items()
        ],
        "startupProbe": {**_probe("/readyz", probed), "periodSeconds": 2, "failureThreshold": 60},
        "readinessProbe": {**_probe("/readyz", probed), "periodSeconds": 5, "failureThreshold": 2},
        "livenessProbe": {**_probe("/healthz", probed), "periodSeconds": 20, "failureThreshold": 3},
        "resources": _resources(resources),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, *mounts],  # noqa: S108 - in the pod
    }


def _probe(path: str, port: str) -> Manifest:
    return {"httpGet": {"path": path, "port": port, "scheme": "HTTP"}, "timeoutSeconds": 5}


def _resources(resources: Resources) -> Manifest:
    return {
        "requests": {"cpu": resources.cpu_request, "memory": resources.memory_request},
        "limits": {"cpu": resources.cpu_limit, "memory": resources.memory_limit},
    }


def _anti_affinity(name: str) -> Manifest:
    """Prefer nodes that run no other pod of this program."""
    term = {
        "labelSelector": {"matchLabels": selector_labels(name)},
        "topologyKey": "kubernetes.io/hostname",
    }
    preference = {"weight": 100, "podAffinityTerm": term}
    return {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [preference]}}


def _topology_spread(name: str) -> Manifest:
    """Prefer to have the pods in different zones."""
    return {
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": selector_labels(name)},
    }


def _render_budgets(installation: Installation) -> list[PodDisruptionBudget]:
    """Return a budget for two or more replicas; with a single one it would block maintenance."""
    if installation.edge_api_replicas < 2:
        return []
    budget = new_object(installation, kinds.BUDGET, EDGE_API, EDGE_API)
    budget["spec"] = {"maxUnavailable": 1, "selector": {"matchLabels": selector_labels(EDGE_API)}}
    return [budget]

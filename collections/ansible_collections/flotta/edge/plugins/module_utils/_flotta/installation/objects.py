# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/installation/objects.py: change that.
"""The types of the objects that an installation consists of or reads in the cluster.

They have the fields that are read by name; what is only rendered is a `Manifest`.
"""

from __future__ import annotations

from typing import Required, TypedDict

from ..resources.objects.core import PolicyRule
from ..resources.objects.meta import (
    Condition,
    CustomResource,
    Manifest,
    NameReference,
    Resource,
)
from ..resources.objects.pods import EnvFromSource, EnvVar


class ServiceAccount(Resource, total=False):
    """A ServiceAccount."""

    automountServiceAccountToken: bool


class Role(Resource, total=False):
    """A Role or ClusterRole."""

    rules: list[PolicyRule]


class RoleReference(TypedDict):
    """The role that a binding grants."""

    apiGroup: str
    kind: str
    name: str


class Subject(TypedDict, total=False):
    """A subject of a binding; users and groups have no namespace."""

    kind: str
    namespace: str
    name: str


class RoleBinding(Resource, total=False):
    """A RoleBinding or ClusterRoleBinding."""

    roleRef: RoleReference
    subjects: list[Subject]


class AdmissionPolicy(Resource, total=False):
    """A ValidatingAdmissionPolicy."""

    spec: Manifest


class AdmissionPolicyBinding(Resource, total=False):
    """A ValidatingAdmissionPolicyBinding."""

    spec: Manifest


class LoadBalancerAddress(TypedDict, total=False):
    """An address of a load balancer: a host name or an IP address."""

    hostname: str
    ip: str


class LoadBalancerStatus(TypedDict, total=False):
    """The addresses of a Service at the cluster's load balancer."""

    ingress: list[LoadBalancerAddress]


class ServiceStatus(TypedDict, total=False):
    """The status of a Service of the type LoadBalancer; others have an empty one."""

    loadBalancer: LoadBalancerStatus


class Service(CustomResource[Manifest, ServiceStatus]):
    """A Service."""


class NodeAddress(TypedDict):
    """An address of a node; `type` is ExternalIP, InternalIP or one for names."""

    type: str
    address: str


class NodeStatus(TypedDict, total=False):
    """The status of a node."""

    addresses: list[NodeAddress]


class Node(CustomResource[Manifest, NodeStatus]):
    """A node of the cluster."""


class ContainerStateWaiting(TypedDict, total=False):
    """Why a container does not run yet."""

    reason: str
    message: str


class ContainerStateTerminated(TypedDict, total=False):
    """Why a container has ended."""

    reason: str
    message: str


class ContainerState(TypedDict, total=False):
    """One of the three states of a container."""

    waiting: ContainerStateWaiting
    running: Manifest
    terminated: ContainerStateTerminated


class ContainerStatus(TypedDict, total=False):
    """A container as its node sees it."""

    ready: bool
    state: ContainerState
    lastState: ContainerState


class PodStatus(TypedDict, total=False):
    """A pod as its node sees it."""

    conditions: list[Condition]
    containerStatuses: list[ContainerStatus]


class ProgramContainer(TypedDict, total=False):
    """The container of one of our programs."""

    name: str
    image: Required[str]
    imagePullPolicy: str
    command: list[str]
    envFrom: list[EnvFromSource]
    env: list[EnvVar]
    ports: list[Manifest]
    startupProbe: Manifest
    readinessProbe: Manifest
    livenessProbe: Manifest
    resources: Manifest
    securityContext: Manifest
    terminationMessagePolicy: str
    volumeMounts: list[Manifest]


class ProgramPodSpec(TypedDict, total=False):
    """The pod of one of our programs; `nodeName` is the scheduler's."""

    serviceAccountName: str
    automountServiceAccountToken: bool
    terminationGracePeriodSeconds: int
    securityContext: Manifest
    affinity: Manifest
    topologySpreadConstraints: list[Manifest]
    containers: Required[list[ProgramContainer]]
    volumes: list[Manifest]
    imagePullSecrets: list[NameReference]
    nodeName: str


class Pod(CustomResource[ProgramPodSpec, PodStatus]):
    """A pod of one of our Deployments."""


class ProgramPodTemplate(TypedDict):
    """The pod that a Deployment makes copies of."""

    metadata: Manifest
    spec: ProgramPodSpec


class DeploymentSpec(TypedDict, total=False):
    """The number of pods and their template."""

    replicas: int
    revisionHistoryLimit: int
    progressDeadlineSeconds: int
    selector: Manifest
    strategy: Manifest
    template: Required[ProgramPodTemplate]


class DeploymentStatus(TypedDict, total=False):
    """The progress of a rollout; a count of zero is left out."""

    observedGeneration: int
    replicas: int
    updatedReplicas: int
    availableReplicas: int
    conditions: list[Condition]


class Deployment(CustomResource[DeploymentSpec, DeploymentStatus]):
    """A Deployment of one of our programs."""


class ReplicaSet(CustomResource[Manifest, Manifest]):
    """A ReplicaSet, which a Deployment creates for each of its revisions."""


class PodDisruptionBudget(CustomResource[Manifest, Manifest]):
    """A PodDisruptionBudget."""


class Ingress(CustomResource[Manifest, Manifest]):
    """An Ingress."""


class NetworkPolicy(CustomResource[Manifest, Manifest]):
    """A NetworkPolicy."""


class ServiceMonitor(CustomResource[Manifest, Manifest]):
    """A ServiceMonitor of the Prometheus operator."""

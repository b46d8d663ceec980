# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/resources/objects/core.py: change that.
"""Kubernetes' own objects."""

from __future__ import annotations

from typing import TypedDict

from ...resources.objects.meta import Condition, CustomResource, Manifest, Resource


class KeyedData(Resource, total=False):
    """What Secrets and ConfigMaps have in common; only a ConfigMap has `binaryData`."""

    data: dict[str, str]
    binaryData: dict[str, str]  # base64


class Secret(KeyedData, total=False):
    """A Secret; the values of `data` are base64."""

    type: str


class ConfigMap(KeyedData, total=False):
    """A ConfigMap; the values of `data` are text."""

    immutable: bool  # true: `data` can never be changed again


class ObjectReference(TypedDict, total=False):
    """The object that an Event is about."""

    apiVersion: str
    kind: str
    name: str
    namespace: str
    uid: str


class EventSource(TypedDict, total=False):
    """The component that recorded an Event, for older clients."""

    component: str


class Event(Resource, total=False):
    """An Event (core/v1)."""

    involvedObject: ObjectReference
    type: str
    reason: str
    message: str
    action: str
    count: int
    firstTimestamp: str
    lastTimestamp: str
    eventTime: str
    reportingComponent: str
    reportingInstance: str
    source: EventSource


class NamespaceStatus(TypedDict, total=False):
    """Whether a namespace is Active or Terminating."""

    phase: str
    conditions: list[Condition]


class Namespace(CustomResource[Manifest, NamespaceStatus]):
    """A namespace."""


class LeaseSpec(TypedDict, total=False):
    """The holder of a Lease, and since when."""

    holderIdentity: str
    leaseDurationSeconds: int
    acquireTime: str  # RFC 3339 with microseconds
    renewTime: str
    leaseTransitions: int


class Lease(CustomResource[LeaseSpec, Manifest]):
    """A Lease (coordination.k8s.io/v1), which elects the leader of several processes."""


class PolicyRule(TypedDict, total=False):
    """A rule of a Role (rbac.authorization.k8s.io/v1)."""

    verbs: list[str]
    apiGroups: list[str]
    resources: list[str]
    resourceNames: list[str]

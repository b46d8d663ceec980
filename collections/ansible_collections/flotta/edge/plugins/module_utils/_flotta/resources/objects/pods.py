# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/resources/objects/pods.py: change that.
"""The parts of a PodSpec that refer to other objects, and nothing else; devices get all of it."""

from __future__ import annotations

from typing import Required, TypedDict

from ...resources.objects.meta import Manifest


class KeySelector(TypedDict, total=False):
    """One key of a Secret or ConfigMap."""

    name: str
    key: str
    optional: bool


class FieldSelector(TypedDict, total=False):
    """A field of the pod."""

    fieldPath: str


class EnvVarSource(TypedDict, total=False):
    """The source of an environment variable's value."""

    secretKeyRef: KeySelector
    configMapKeyRef: KeySelector
    fieldRef: FieldSelector


class EnvVar(TypedDict, total=False):
    """An environment variable."""

    name: str
    value: str
    valueFrom: EnvVarSource


class EnvFromSource(TypedDict, total=False):
    """A source of several environment variables."""

    prefix: str
    secretRef: NamedSource
    configMapRef: NamedSource


class Container(TypedDict, total=False):
    """A container of a pod."""

    name: str
    image: str
    env: list[EnvVar]
    envFrom: list[EnvFromSource]


class KeyToPath(TypedDict, total=False):
    """A key of a Secret or ConfigMap that becomes a file."""

    key: Required[str]
    path: str


class SecretVolume(TypedDict, total=False):
    """A volume of a Secret's keys."""

    secretName: str
    items: list[KeyToPath]
    optional: bool


class NamedSource(TypedDict, total=False):
    """A Secret or ConfigMap as environment or in a projected volume; a ConfigMap as a volume."""

    name: str
    items: list[KeyToPath]
    optional: bool


class DownwardFile(TypedDict, total=False):
    """A file with a field of the pod."""

    fieldRef: FieldSelector


class DownwardVolume(TypedDict, total=False):
    """A volume, or a part of one, with fields of the pod."""

    items: list[DownwardFile]


class ProjectedSource(TypedDict, total=False):
    """One source of a projected volume."""

    downwardAPI: DownwardVolume
    secret: NamedSource
    configMap: NamedSource


class ProjectedVolume(TypedDict, total=False):
    """A volume of several sources."""

    sources: list[ProjectedSource]


class Volume(TypedDict, total=False):
    """A volume of a pod."""

    name: str
    secret: SecretVolume
    configMap: NamedSource
    projected: ProjectedVolume
    downwardAPI: DownwardVolume


class PullSecret(TypedDict, total=False):
    """A Secret with credentials for registries."""

    name: str


class PodSpec(TypedDict, total=False):
    """A pod; the device gets all of it, we read only its references."""

    imagePullSecrets: list[PullSecret]
    initContainers: list[Container]
    containers: list[Container]
    volumes: list[Volume]


class PodTemplate(TypedDict, total=False):
    """A pod of a workload."""

    metadata: Manifest
    spec: PodSpec

# Copyright: (c) 2026, flotta.edge contributors
# Apache License 2.0 (see LICENSES/Apache-2.0.txt or https://www.apache.org/licenses/LICENSE-2.0)
# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# pylint: disable=disallowed-name,unidiomatic-typecheck,unsupported-binary-operation,unused-import
# pylint: disable=useless-import-alias
# Copied by scripts/generate_module_utils.py from src/flotta/resources/objects/workloads.py: change that.
"""EdgeWorkload: a pod, and the devices that run it (docs/reference/crds.md#edgeworkload)."""

from __future__ import annotations

from typing import Required, TypedDict

from ...resources.objects.meta import Condition, CustomResource, NameReference
from ...resources.objects.pods import PodTemplate


class LabelSelectorRequirement(TypedDict, total=False):
    """One of a selector's matchExpressions."""

    key: Required[str]
    operator: Required[str]
    values: list[str]


class LabelSelector(TypedDict, total=False):
    """A metav1.LabelSelector."""

    matchLabels: dict[str, str]
    matchExpressions: list[LabelSelectorRequirement]


class DataPath(TypedDict):
    """A directory of a pod and one of the bucket."""

    source: str
    target: str


class DataSection(TypedDict, total=False):
    """The directories of a pod that are synchronised: up (egress) and down (ingress).

    `retention` is `Delete` or `Keep`: what becomes of the files when the workload is removed.
    """

    egress: list[DataPath]
    ingress: list[DataPath]
    retention: str


class ImageRegistriesSection(TypedDict, total=False):
    """The registry credentials of a workload."""

    secretRef: NameReference


class ContainerMetricsSection(TypedDict, total=False):
    """The metrics of one container."""

    path: str
    port: int
    disabled: bool


class WorkloadMetricsSection(TypedDict, total=False):
    """The metrics of a workload."""

    path: str
    port: int
    interval: int  # seconds
    allowList: NameReference
    containers: dict[str, ContainerMetricsSection]


class EdgeWorkloadSpec(TypedDict, total=False):
    """A pod, and where it runs."""

    type: str
    device: str
    deviceSelector: LabelSelector
    pod: PodTemplate
    data: DataSection
    imageRegistries: ImageRegistriesSection
    logCollection: str
    metrics: WorkloadMetricsSection


class EdgeWorkloadStatus(TypedDict, total=False):
    """Counts of the devices of a workload."""

    observedGeneration: int
    matched: int
    running: int
    failed: int
    conditions: list[Condition]


class EdgeWorkload(CustomResource[EdgeWorkloadSpec, EdgeWorkloadStatus]):
    """A pod for the devices that it selects."""
